import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createProject, type Project } from "../dev/support.ts";
import { openWorld, type World } from "../node/support/world.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What somebody who installs the package does not get. */
const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
};
const developmentOnly = Object.entries(lock.packages)
  .filter(([path, { dev, devOptional }]) => path.lastIndexOf("node_modules/") === 0 && (dev || devOptional))
  .map(([path]) => path.replace("node_modules/", ""));

let project: Project;
let world: World;
let daemon: ChildProcess | undefined;

beforeAll(async () => {
  project = await createProject({ without: [...developmentOnly, ".bin"] });
  // Scopes are folders: of each, only what is no development tool may be there.
  for (const name of developmentOnly.filter((one) => one.startsWith("@"))) await withoutScoped(name);
  world = await openWorld();
});

afterAll(async () => {
  daemon?.kill("SIGKILL");
  await world?.stop();
  await project?.remove();
});

/** Takes one package of a scope away, which is linked as a whole. */
async function withoutScoped(name: string): Promise<void> {
  const [scope, own] = name.split("/") as [string, string];
  const folder = join(project.path, "node_modules", scope);
  const target = await readlink(folder).catch(() => undefined);
  if (target !== undefined) {
    const members = await readdir(target);
    await rm(folder);
    await project.run(
      `mkdir "${folder}" && for each in ${members.join(" ")}; do ln -s "${target}/$each" "${folder}/$each"; done`,
    );
  }
  await rm(join(folder, own), { force: true });
}

/** As npm links it: by the package's `bin`, and run through its first line. */
async function bin(): Promise<string> {
  const manifest = join(project.path, "node_modules", "rivulet", "package.json");
  const { bin } = JSON.parse(await readFile(manifest, "utf8")) as {
    readonly bin: { readonly rivulet: string };
  };
  return join(project.path, "node_modules", "rivulet", bin.rivulet);
}

function rivulet(args: string, env = ""): Promise<{ code: number; stdout: string; stderr: string }> {
  return project.run(`${env} ./node_modules/.bin/rivulet ${args}`);
}

describe("the installed package, without anything a developer has", () => {
  it("brings a command that npm can link", async () => {
    const file = await bin();
    expect((await readFile(file, "utf8")).split("\n")[0]).toBe("#!/usr/bin/env node");
    const linked = await project.run(
      `mkdir -p node_modules/.bin && chmod +x "${file}" && ln -s "${file}" node_modules/.bin/rivulet`,
    );
    expect(linked, linked.stderr).toMatchObject({ code: 0 });
    expect((await project.run("ls node_modules")).stdout).not.toMatch(/^(vitest|typescript|hardhat)$/m);
  });

  it("has commands, each with help and an example", async () => {
    const help = await rivulet("--help");
    expect(help, help.stderr).toMatchObject({ code: 0 });
    const names = help.stdout
      .slice(help.stdout.indexOf("\nCommands:"))
      .split("\n")
      .flatMap((line) => /^ {2}([a-z][a-z-]*)\b/.exec(line)?.[1] ?? [])
      .filter((name) => name !== "help");
    expect(names.length).toBeGreaterThan(20);
    const helps = await project.run(
      `for each in ${names.join(" ")}; do echo "@ $each"; ./node_modules/.bin/rivulet $each --help || exit 1; done`,
    );
    expect(helps.code, helps.stderr).toBe(0);
    const without = helps.stdout.split(/^@ /m).filter((text) => text !== "" && !/^Examples?:$/m.test(text));
    expect(without).toEqual([]);
  }, 120_000);

  it("makes a node, runs it, and stops it in order", async () => {
    const { chain, escrowAddress } = world;
    const env = {
      RIVULET_CONFIG: join(project.path, "rivulet.toml"),
      RIVULET_DATA_DIR: join(project.path, "data"),
      RIVULET_PASSWORD: "correct horse",
      RIVULET_API_PORT: "0",
      RIVULET_PEERS_LISTEN: "/ip4/127.0.0.1/tcp/0",
    };
    const setting = Object.entries(env)
      .map(([name, value]) => `${name}="${value}"`)
      .join(" ");
    const made = await rivulet(
      `init --json --mnemonic-file words.txt --chain-name hardhat --chain-rpc ${chain.provider._getConnection().url} --chain-escrow ${escrowAddress}`,
      setting,
    );
    expect(made, made.stderr).toMatchObject({ code: 0 });
    expect((await stat(join(project.path, "data", "keystore.json"))).mode & 0o077).toBe(0);

    let out = "";
    let log = "";
    const child = spawn(process.execPath, [await bin(), "start", "--json"], {
      cwd: project.path,
      env: { PATH: process.env.PATH, HOME: project.path, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    daemon = child;
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stdout!.on("data", (piece: Buffer) => {
      out += piece;
    });
    child.stderr!.on("data", (piece: Buffer) => {
      log += piece;
    });
    await vi.waitUntil(() => out.includes("\n}") || child.exitCode !== null, { timeout: 60_000 });
    expect(child.exitCode, log).toBeNull();

    const second = await rivulet("start", setting);
    expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/Another node runs/)]);
    const status = await rivulet("status --json", setting);
    expect(JSON.parse(status.stdout)).toMatchObject({ state: "ready", chainId: "31337" });
    child.kill("SIGTERM");
    expect(await ended, log).toBe(0);
    const gone = await rivulet("status", setting);
    expect([gone.code, gone.stderr]).toEqual([3, expect.stringMatching(/rivulet start/)]);
  }, 120_000);
});

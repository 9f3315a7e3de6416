import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NetworkDescription } from "../../src/dev/index.ts";
import { type DevCommandOptions, runDev } from "../../src/dev/network/command.ts";

const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const BUILT = new URL("../../dist/dev/network/command.js", import.meta.url).href;

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-command-test-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

/** The command in a process of its own, in the test's directory. */
async function start(options: DevCommandOptions) {
  const program = `
    const { runDev } = await import(${JSON.stringify(BUILT)});
    await runDev(${JSON.stringify(options)}, {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: directory });
  children.push(child);
  let out = "";
  let err = "";
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (data: Buffer) => {
      out += data.toString();
      if (options.json ? out.endsWith("\n") : out.includes("Ctrl-C stops it.")) resolve();
    });
    exit.then(() => reject(new Error(`it ended: ${err}`)), reject);
  });
  await ready;
  return { child, exit, out: () => out, err: () => err };
}

describe("rivulet dev", () => {
  it("prints JSON only, writes the file for its owner's eyes, and leaves nothing after Ctrl-C", async () => {
    const { child, exit, out, err } = await start({ nodes: 2, port: 0, json: true });
    const description = JSON.parse(out()) as NetworkDescription;
    const file = join(directory, "rivulet-dev.json");
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(description);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(err()).toBe("");
    const { api } = description.nodes[1]!;
    const headers = { authorization: `Bearer ${api!.token}` };
    expect((await fetch(`${api!.url}/v1/channels`, { headers })).status).toBe(200);
    child.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
    expect(existsSync(file)).toBe(false);
    for (const url of [description.chain.rpcUrl, api!.url]) await expect(fetch(url)).rejects.toThrow();
  });

  it("shows people every endpoint, account and key, and that the keys are public", async () => {
    const { child, exit, out, err } = await start({ nodes: 2, port: 0 });
    const description = JSON.parse(
      await readFile(join(directory, "rivulet-dev.json"), "utf8"),
    ) as NetworkDescription;
    const { chain, contracts, accounts, nodes, channels } = description;
    const shown = [
      chain.rpcUrl,
      contracts.escrow,
      contracts.usdc.address,
      contracts.token.address,
      ...accounts.flatMap(({ address, privateKey }) => [address, privateKey]),
      ...nodes.flatMap(({ address, account, api }) => [address, account, api!.url, api!.token]),
      ...channels.map(({ channelId }) => channelId),
      "THE KEYS BELOW ARE PUBLIC",
    ];
    for (const text of shown) expect(out()).toContain(text);
    expect(err()).toContain("opening channels");
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  });

  it("keeps the file where the network is kept, and removes no file of another network", async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const told = Promise.withResolvers<void>();
    const state = join(directory, "kept");
    const out = (text: string) => {
      lines.push(text);
      told.resolve();
    };
    const running = runDev(
      { nodes: 1, port: 0, stateDirectory: state, json: true },
      { out, err: () => {} },
      stop.signal,
    );
    running.catch(told.reject);
    await told.promise;
    const file = join(state, "rivulet-dev.json");
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(JSON.parse(lines.join("")));
    await writeFile(file, "{}");
    stop.abort();
    await running;
    expect(await readFile(file, "utf8")).toBe("{}");
  });

  it("rejects with what went wrong, and starts nothing", async () => {
    const output = { out: () => {}, err: () => {} };
    await expect(runDev({ nodes: 99 }, output)).rejects.toMatchObject({ code: "option_invalid" });
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });

  it("leaves every port to the system when port 0 is typed, and refuses numbers that are none", async () => {
    const typed = (...args: string[]) => {
      const child = spawn(process.execPath, [MAIN, "dev", ...args], { cwd: directory });
      children.push(child);
      return child;
    };
    const child = typed("--nodes", "1", "--port", "0", "--json");
    const exit = once(child, "exit");
    const [first] = (await Promise.race([once(child.stdout, "data"), exit])) as [Buffer];
    const { chain, nodes } = JSON.parse(String(first)) as NetworkDescription;
    expect([chain.rpcUrl, nodes[0]!.api!.url].map((url) => new URL(url).port)).not.toContain("8545");
    expect(new URL(nodes[0]!.api!.url).port).not.toBe("9742");
    child.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
    const wrong = [
      ["--port", "1e3"],
      ["--nodes", "99"],
    ];
    const ended = await Promise.all(wrong.map((args) => once(typed(...args), "exit")));
    expect(ended).toEqual(wrong.map(() => [2, null]));
  });
});

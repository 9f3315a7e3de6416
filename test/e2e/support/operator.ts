import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { vi } from "vitest";
import type { World } from "../../node/support/world.ts";

const MAIN = new URL("../../../dist/cli/main.js", import.meta.url).pathname;

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a command prints as JSON
  readonly json: any;
}

/** One operator with a data directory of their own. */
export class Operator {
  readonly dir: string;
  readonly #world: World;
  daemon: ChildProcess | undefined;
  log = "";

  constructor(world: World, dir: string) {
    this.#world = world;
    this.dir = dir;
  }

  #env(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    return {
      PATH,
      HOME,
      NO_COLOR: "1",
      RIVULET_CONFIG: join(this.dir, "rivulet.toml"),
      RIVULET_DATA_DIR: join(this.dir, this.data),
      RIVULET_PASSWORD: "correct horse",
      RIVULET_API_PORT: "0",
      RIVULET_PEERS_LISTEN: "/ip4/127.0.0.1/tcp/0",
    };
  }

  /** The directory with keystore, database and access token; another after a disk was lost. */
  data = "data";

  run(...args: string[]): Promise<Ran> {
    return this.with({}, ...args);
  }

  with(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran> {
    return this.fed("", env, ...args);
  }

  /** With something on stdin. */
  async fed(input: string, env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran> {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...this.#env(), ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin!.on("error", () => {}).end(input);
    const [out, err] = [text(child.stdout!), text(child.stderr!)];
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const told = await out;
    let json: unknown;
    try {
      json = JSON.parse(told);
    } catch {
      json = undefined;
    }
    return { code, out: told, err: await err, json };
  }

  init(...args: string[]): Promise<Ran> {
    const { chain, escrowAddress } = this.#world;
    return this.run(
      "init",
      "--json",
      "--mnemonic-file",
      join(this.dir, "words.txt"),
      "--chain-name",
      "hardhat",
      "--chain-rpc",
      chain.provider._getConnection().url,
      "--chain-escrow",
      escrowAddress,
      ...args,
    );
  }

  /**
   * Begins to start the daemon, and does not wait for it. `out`: what it has printed as its result so far. `blocks`: the
   * largest file it can write, in blocks of 512 bytes or more: a disk that one process sees full.
   */
  launch(
    env: NodeJS.ProcessEnv = {},
    { blocks = "unlimited" }: { readonly blocks?: number | "unlimited" } = {},
  ): { readonly child: ChildProcess; readonly out: () => string } {
    const limited = `ulimit -f ${blocks}; exec "$0" "$@"`;
    const command = [process.execPath, MAIN, "start", "--json", "--log-format", "json"];
    const child = spawn("sh", ["-c", limited, ...command], {
      env: { ...this.#env(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.daemon = child;
    this.log = "";
    let out = "";
    child.stdout!.on("data", (piece: Buffer) => {
      out += piece;
    });
    child.stderr!.on("data", (piece: Buffer) => {
      this.log += piece;
    });
    return { child, out: () => out };
  }

  /** Resolves once the daemon has said where it is. */
  async start(): Promise<{ readonly account: string; readonly addresses: readonly string[] }> {
    const { child, out } = this.launch();
    await vi.waitUntil(() => out().includes("\n}") || child.exitCode !== null, { timeout: 30_000 });
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${this.log}`);
    return JSON.parse(out());
  }

  /** Ends the daemon as an operator would. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.daemon;
    this.daemon = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.kill(signal);
    return ended;
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = "";
  for await (const piece of stream) all += piece;
  return all;
}

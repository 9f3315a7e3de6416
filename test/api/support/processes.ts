import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ApiOptions } from "../../../src/api/options.ts";
import type { NodeOptions } from "../../../src/node/index.ts";
import type { Address } from "../../../src/protocol/index.ts";
import { type Called, type CallOptions, callDaemon } from "./daemons.ts";

const MODULE = fileURLToPath(new URL("./daemonProcess.ts", import.meta.url));

interface Place {
  readonly url: string;
  readonly adminToken: string;
  readonly account: Address;
  readonly signer: Address;
  readonly address: string;
}

/** A daemon in a process of its own, from the built package. */
export class DaemonProcess {
  static readonly #all: DaemonProcess[] = [];
  readonly #process: ChildProcess;
  place!: Place;

  private constructor(fileBlocks: number | undefined) {
    const limited = fileBlocks === undefined ? "" : `ulimit -f ${fileBlocks}; `;
    this.#process = spawn("sh", ["-c", `${limited}exec "$0" "$@"`, process.execPath, MODULE], {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  }

  /**
   * Resolves once its API listens. Rejects if it ends before. With `fileBlocks` no file grows beyond so many blocks of
   * 512 bytes or more: a disk that it alone sees full.
   */
  static async start(
    { log: _, ...node }: NodeOptions,
    api: ApiOptions = {},
    fileBlocks?: number,
  ): Promise<DaemonProcess> {
    const started = new DaemonProcess(fileBlocks);
    started.#process.send({ node, api });
    DaemonProcess.#all.push(started);
    const ended = once(started.#process, "exit").then(() => Promise.reject(new Error("it ended")));
    ended.catch(() => {});
    [started.place] = (await Promise.race([once(started.#process, "message"), ended])) as [Place];
    return started;
  }

  /** Ends those that still run. */
  static async endAll(): Promise<void> {
    await Promise.all(DaemonProcess.#all.map((process) => process.end("SIGKILL")));
  }

  call(path: string, options?: CallOptions): Promise<Called> {
    return callDaemon(this.place, path, options);
  }

  /** A figure of `/metrics`. */
  async metric(name: string): Promise<number> {
    const { body } = await this.call("/metrics");
    const line = (body as string).split("\n").find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`no ${name}`);
    return Number(line.slice(name.length + 1));
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill(signal);
    await exited;
  }
}

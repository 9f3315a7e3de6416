import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { NodeCalls, Reply } from "./control.ts";

const MODULE = fileURLToPath(new URL("./nodeProcess.ts", import.meta.url));

/** How long a process may take to end once it was let go. */
const END_PATIENCE_MS = 5_000;

/** A process of the benchmark's own with nodes in it, asked by calls. */
export class NodeHost {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited: Promise<unknown>;
  #next = 1;
  #over: Error | undefined;

  /** `flags` are Node's own, such as `--cpu-prof`. */
  constructor(name: string, flags: readonly string[] = []) {
    this.#name = name;
    this.#process = fork(MODULE, [], {
      execArgv: [...flags],
      serialization: "advanced",
      // Standard output is for the result alone.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#process.on("message", (reply: Reply) => this.#take(reply));
    this.#process.on("error", (error) => this.#end(error));
    this.#exited = once(this.#process, "exit").then(([code, signal]) =>
      this.#end(new Error(`the process of the ${name} ended (${code ?? signal})`)),
    );
  }

  /** Rejects when the process refuses or ends. */
  call<Method extends keyof NodeCalls>(
    method: Method,
    params: NodeCalls[Method]["params"],
  ): Promise<NodeCalls[Method]["result"]> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#process.send({ id, method, params }, (error) => {
      if (error !== null) this.#end(error);
    });
    return waiting.promise as Promise<NodeCalls[Method]["result"]>;
  }

  /** Ends the process at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Stops the nodes and ends the process. */
  async end(): Promise<void> {
    if (this.#over === undefined) await this.call("stop", undefined).catch(() => {});
    if (this.#process.connected) this.#process.disconnect();
    const stubborn = setTimeout(() => this.kill(), END_PATIENCE_MS);
    await this.#exited;
    clearTimeout(stubborn);
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting?.reject(new Error(`${this.#name}: ${reply.error}`));
    else waiting?.resolve(reply.result);
  }

  #end(error: Error): void {
    this.#over ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
  }
}

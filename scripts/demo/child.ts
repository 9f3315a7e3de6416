import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Calls, Reply } from "./control.ts";

/** Of what a process said on standard error, this much is shown if it dies. */
const MAX_LAST_WORDS = 2_000;

/** How long a process may take to end once it was asked to. */
const END_PATIENCE_MS = 5_000;

/** Hardhat looks for its configuration here. */
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Something a process was asked for did not succeed, or the process itself ended. */
export class ChildError extends Error {
  override readonly name = "ChildError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface ChildInit<Notice> {
  readonly name: string;
  /** A module beside this one. */
  readonly module: string;
  /** Ends every wait for this process; the process itself is ended by {@link Child.kill}. */
  readonly signal: AbortSignal;
  readonly onNotice?: (notice: Notice) => void;
  /** It ended though nobody asked it to. */
  readonly onLost: (error: ChildError) => void;
}

/** A process of this demo's own, asked by calls and answering with results and notices. */
export class Child<C extends Calls<C>, Notice = never> {
  readonly #init: ChildInit<Notice>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited: Promise<unknown>;
  #lastWords = "";
  #next = 1;
  #over: ChildError | undefined;
  #dismissed = false;

  constructor(init: ChildInit<Notice>) {
    this.#init = init;
    this.#process = fork(fileURLToPath(new URL(init.module, import.meta.url)), [], {
      cwd: ROOT,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process.on("message", (message) => this.#take(message as Reply | Notice));
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-MAX_LAST_WORDS);
    });
    this.#process.on("error", (error) => this.#end(new ChildError("process_failed", error.message)));
    this.#exited = this.#gone().then(([code, signal]) => {
      const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
      const words = this.#lastWords.trim();
      const error = new ChildError(
        "process_ended",
        `${init.name} ${how}${words === "" ? "" : `:\n${words}`}`,
      );
      this.#end(error);
      if (!this.#dismissed) init.onLost(error);
    });
    this.#exited.catch(() => {});
    init.signal.addEventListener("abort", this.#abort, { once: true });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Rejects with {@link ChildError} when the process refuses or ends, or with the signal's reason. */
  call<Method extends keyof C & string>(
    method: Method,
    params: C[Method]["params"],
  ): Promise<C[Method]["result"]> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (this.#init.signal.aborted) return Promise.reject(this.#init.signal.reason);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#process.send({ id, method, params }, (error) => {
      if (error !== null) this.#end(new ChildError("process_ended", `${this.#init.name}: ${error.message}`));
    });
    return waiting.promise as Promise<C[Method]["result"]>;
  }

  /** SIGKILL: it gets no chance to tidy up. Resolves once it is gone and everything it had said was heard. */
  async kill(): Promise<void> {
    this.#dismissed = true;
    this.#end(new ChildError("process_killed", `${this.#init.name} was killed`));
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Lets go of the process, which ends by itself; kills it if it does not. */
  async end(): Promise<void> {
    this.#dismissed = true;
    if (this.#process.connected) this.#process.disconnect();
    const stubborn = setTimeout(() => this.#process.kill("SIGKILL"), END_PATIENCE_MS);
    await this.#exited;
    clearTimeout(stubborn);
  }

  /** Resolves when the process is gone and what it had said was heard; "close" does not come after a disconnect. */
  async #gone(): Promise<readonly [code: number | null, signal: string | null]> {
    const { stderr } = this.#process;
    const [how] = await Promise.all([
      once(this.#process, "exit"),
      once(this.#process, "disconnect"),
      stderr === null ? undefined : once(stderr, "close"),
    ]);
    return how as [number | null, string | null];
  }

  #take(message: Reply | Notice): void {
    if (!isReply(message)) {
      this.#init.onNotice?.(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("result" in message) {
      waiting?.resolve(message.result);
      return;
    }
    const { code = "failed", message: text } = message.error;
    waiting?.reject(new ChildError(code, `${this.#init.name}: ${text}`));
  }

  readonly #abort = () => this.#fail(this.#init.signal.reason);

  #end(error: ChildError): void {
    this.#over ??= error;
    this.#init.signal.removeEventListener("abort", this.#abort);
    this.#fail(this.#over);
  }

  #fail(reason: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}

function isReply(message: unknown): message is Reply {
  return typeof message === "object" && message !== null && "id" in message;
}

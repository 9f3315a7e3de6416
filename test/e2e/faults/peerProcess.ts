import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CallName, Calls, Notice } from "./control.ts";

const SCRIPT = fileURLToPath(new URL("./peer.ts", import.meta.url));

/** No call takes longer, short of a bug: then the test says which, instead of hanging. */
const CALL_MS = 60_000;

interface Waiting {
  readonly name: CallName;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** What a node's process refused: the code is the node's own. */
export class PeerRefusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Raised for every call that was under way when its process died. */
export class PeerDied extends Error {}

/** The parent's end of one node process. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #loaded = Promise.withResolvers<void>();
  #calls = 0;
  #dead = false;
  /** What the process tells unasked. */
  onNotice: (notice: Notice) => void = () => {};

  /** With `fileBlocks` no file of the process grows beyond so many times 512 bytes: a disk that it sees full. */
  constructor(fileBlocks?: number) {
    const limited = `${fileBlocks === undefined ? "" : `ulimit -f ${fileBlocks}; `}exec "$0" "$@"`;
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", SCRIPT];
    this.#child = spawn("sh", ["-c", limited, ...node], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#loaded.promise.catch(() => {});
    this.#child.on("message", (notice) => this.#take(notice as Notice));
    this.#child.once("exit", () => this.#end());
  }

  /** Resolves once the process has loaded its code and takes orders. */
  loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  async call<Name extends CallName>(name: Name, order: Calls[Name][0]): Promise<Calls[Name][1]> {
    await this.#loaded.promise;
    if (this.#dead) throw new PeerDied(`${name}: the process is dead`);
    const call = ++this.#calls;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Calls[Name][1]>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer to "${name}" in time`)), CALL_MS);
        this.#waiting.set(call, { name, resolve, reject });
        this.#child.send({ call, name, order });
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(call);
    }
  }

  /** SIGKILL; resolves when the operating system has taken everything back. */
  async kill(): Promise<void> {
    if (this.#dead) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** SIGSTOP, and SIGCONT. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  #take(notice: Notice): void {
    if (this.#dead) return;
    switch (notice.kind) {
      case "loaded":
        this.#loaded.resolve();
        break;
      case "answer":
        this.#waiting.get(notice.call)?.resolve(notice.result as never);
        break;
      case "refusal":
        this.#waiting.get(notice.call)?.reject(new PeerRefusal(notice.code, notice.message));
        break;
      default:
        this.onNotice(notice);
    }
  }

  #end(): void {
    this.#dead = true;
    this.#loaded.reject(new PeerDied("the process died before it was loaded"));
    for (const { name, reject } of this.#waiting.values()) reject(new PeerDied(`died during "${name}"`));
  }
}

/** Keeps one process loaded ahead, so that a restart after a kill does not wait for the code to load. */
export class PeerPool {
  #spare: PeerProcess | undefined;
  async take(): Promise<PeerProcess> {
    const taken = this.#spare ?? new PeerProcess();
    this.#spare = undefined;
    await taken.loaded();
    this.#spare = new PeerProcess();
    return taken;
  }

  async stop(): Promise<void> {
    await this.#spare?.kill();
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { HDNodeWallet } from "ethers";
import type { NodeOptions } from "rivulet";
import type { Calls, Notice, Started, StoreChoice } from "./control.ts";
import { PeerDied, type PeerPool, type PeerProcess } from "./peerProcess.ts";

const WARNING_MS = 15_000;

/** One node through all its lives: the same directory, words and port, another process or store each time. */
export class Player {
  readonly name: string;
  readonly options: NodeOptions;
  readonly port: number;
  readonly account: string;
  readonly #pool: PeerPool;
  process: PeerProcess | undefined;
  store: StoreChoice | undefined;
  /** Part of every address of this node, whichever port it listens on. */
  peerId = "";
  /** Every warning so far. */
  readonly warnings: { readonly code: string; readonly message: string }[] = [];
  readonly disputes: string[] = [];
  onNotice: (notice: Notice) => void = () => {};

  constructor(name: string, { port, ...options }: NodeOptions & { readonly port: number }, pool: PeerPool) {
    this.name = name;
    this.options = options;
    this.port = port;
    this.#pool = pool;
    this.account = HDNodeWallet.fromPhrase(options.mnemonic).address.toLowerCase();
  }

  get live(): PeerProcess {
    if (this.process === undefined) throw new PeerDied(`${this.name} does not run`);
    return this.process;
  }

  /** Starts the node in a new process: the given one, or one from the pool. */
  async start(store: StoreChoice, repair?: boolean, process_?: PeerProcess): Promise<void> {
    process_ ??= await this.#pool.take();
    process_.onNotice = (notice) => this.#take(notice);
    this.process = process_;
    this.store = store;
    const { options } = this;
    const started = await process_.call("start", { options, store, ...(repair !== undefined && { repair }) });
    this.#noteAddress(started);
  }

  async kill(): Promise<void> {
    const dying = this.process;
    this.process = undefined;
    await dying?.kill();
  }

  /** Loses power and begins anew in the same process. */
  async crash(store: StoreChoice): Promise<void> {
    this.store = store;
    await this.live.call("crash", { options: this.options, store });
  }

  /** Ends the node properly, and its process. */
  async stop(): Promise<void> {
    await this.process?.call("stop", {}).catch(() => {});
    await this.kill();
  }

  call<Name extends keyof Calls>(name: Name, order: Calls[Name][0]): Promise<Calls[Name][1]> {
    return this.live.call(name, order);
  }

  /** Resolves with the first warning of this kind, past ones included. */
  async warned(code: string): Promise<string> {
    for (const end = Date.now() + WARNING_MS; Date.now() < end; await sleep(20)) {
      const warning = this.warnings.find((given) => given.code === code);
      if (warning !== undefined) return warning.message;
    }
    throw new Error(`${this.name} did not warn of ${code}; it did of ${JSON.stringify(this.warnings)}`);
  }

  /** Resolves when this node's transaction of that kind is confirmed. */
  async disputed(action: string): Promise<void> {
    for (const end = Date.now() + WARNING_MS; Date.now() < end; await sleep(20)) {
      if (this.disputes.includes(action)) return;
    }
    throw new Error(`${this.name} did not ${action}; it did ${this.disputes.join(", ")}`);
  }

  /** A node that recovers from a loss listens later; it has said before who it is. */
  #noteAddress({ addresses }: Started): void {
    this.peerId = addresses[0]?.split("/p2p/")[1] ?? this.peerId;
  }

  #take(notice: Notice): void {
    if (notice.kind === "warning") this.warnings.push(notice);
    if (notice.kind === "dispute") this.disputes.push(notice.action);
    this.onNotice(notice);
  }
}

export const PLAIN: StoreChoice = { kind: "plain", seed: 0, tail: "none", ignoreSync: false };

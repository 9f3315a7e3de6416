import { setTimeout as sleep } from "node:timers/promises";
import { blockNumber, type Provider } from "../chain/provider.ts";
import { DevError } from "../error.ts";

/** Calls that a node makes again and again though nothing happens. */
const IDLE_CALLS: ReadonlySet<string> = new Set([
  "eth_blockNumber",
  "eth_chainId",
  "eth_feeHistory",
  "eth_gasPrice",
  "eth_getBalance",
  "eth_getBlockByNumber",
  "eth_getCode",
  "eth_maxPriorityFeePerGas",
]);

/** Looks at an unchanged head, in a row and with nothing else between, after which a node counts as at rest. */
const IDLE_LOOKS = 4;

/** How long nodes may take to come to rest; a loaded machine is slow, not stuck. */
const PATIENCE_SECONDS = 60;

const LOOK_MS = 5;

/**
 * Knows from what nodes ask of the chain whether they have dealt with all that happened on it: each node has a path
 * of its own on the JSON-RPC server.
 */
export class Rest {
  readonly #provider: Provider;
  readonly #looks = new Map<string, number>();
  #head = -1;

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  add(path: string): void {
    this.#looks.set(path, 0);
  }

  remove(path: string): void {
    this.#looks.delete(path);
  }

  /** A call was answered. */
  onCall(path: string, method: string, params: readonly unknown[]): void {
    const looks = this.#looks.get(path);
    if (looks === undefined) return;
    if (!IDLE_CALLS.has(method)) this.#looks.set(path, 0);
    else if (method === "eth_getBlockByNumber" && params[0] === "latest") this.#looks.set(path, looks + 1);
  }

  /** Resolves once every node has seen the newest block and has nothing more to do about it. Throws `nodes_busy`. */
  async reached(signal?: AbortSignal): Promise<void> {
    const end = performance.now() + PATIENCE_SECONDS * 1000;
    this.#begin();
    for (;;) {
      await this.#sameHead();
      const busy = [...this.#looks].filter(([, looks]) => looks < IDLE_LOOKS);
      // Asked again behind the looks: a transaction may have been mined since.
      if (busy.length === 0 && (await this.#sameHead())) return;
      if (performance.now() > end) {
        const detail = busy.map(([path]) => path).join(" ");
        throw new DevError({ code: "nodes_busy", fields: { seconds: PATIENCE_SECONDS, detail } });
      }
      await sleep(LOOK_MS, undefined, signal && { signal });
    }
  }

  #begin(): void {
    for (const path of this.#looks.keys()) this.#looks.set(path, 0);
  }

  async #sameHead(): Promise<boolean> {
    const head = await blockNumber(this.#provider);
    if (head === this.#head) return true;
    this.#head = head;
    this.#begin();
    return false;
  }
}

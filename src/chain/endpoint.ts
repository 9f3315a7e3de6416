import { ChainError, type ChainFailure, failureOf } from "./error.ts";
import type { JsonRpc } from "./jsonRpc.ts";

/** A head as one server told it. */
export interface ToldHead {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** One server as `doctor` and metrics show it. */
export interface EndpointStatus {
  /** Host and port; never the URL. */
  readonly name: string;
  /** It is asked when its turn comes: it answers, for the right chain, and is not behind the others. */
  readonly healthy: boolean;
  /** The newest block number it told, or undefined before the first and after a failure. */
  readonly head: number | undefined;
  readonly lastFailure:
    | {
        readonly code: ChainFailure["code"];
        /** Unix milliseconds. */
        readonly at: number;
      }
    | undefined;
}

export interface EndpointInit {
  readonly name: string;
  readonly client: JsonRpc & { close?(): void };
  readonly chainId: bigint;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** First time aside, milliseconds; doubles with every further failure. */
  readonly asideMinMs: number;
}

/** Longest time aside: an outage of an hour costs a dozen questions, and its end is noticed soon enough. */
const MAX_ASIDE_MS = 5 * 60_000;

/** A server of another chain is asked again this seldom, in case somebody mended its configuration. */
const WRONG_CHAIN_MS = 60_000;

/** How long a server is believed about its chain: the same address may be another server by then. */
const PROOF_MS = 10 * 60_000;

/** After so long without a failure the next one counts as the first. */
const STEADY_MS = 60_000;

/** Doublings after which the time aside stops growing anyway. */
const MAX_DOUBLINGS = 20;

/** One server: what it was last seen to do, and whether it is to be asked. */
export class Endpoint {
  readonly name: string;
  readonly #init: EndpointInit;
  head: ToldHead | undefined;
  /** When the head was told, by the clock. */
  headAt = Number.NEGATIVE_INFINITY;
  /** Whose head is far ahead of ours. */
  behind: Endpoint | undefined;
  #provenAt = Number.NEGATIVE_INFINITY;
  #asideUntil: number | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #wrongChain: ChainError | undefined;
  #lastFailure: EndpointStatus["lastFailure"];

  constructor(init: EndpointInit) {
    this.name = init.name;
    this.#init = init;
  }

  get isAside(): boolean {
    return this.#asideUntil !== undefined;
  }

  /** Behind a server that is itself believed. */
  get isBehind(): boolean {
    return this.behind !== undefined && !this.behind.isAside;
  }

  get isHealthy(): boolean {
    return !this.isAside && !this.isBehind;
  }

  /** By the clock; undefined while it is not set aside. */
  get asideUntil(): number | undefined {
    return this.#asideUntil;
  }

  /** What it answered for another chain; nothing else is asked of it until its time aside is over. */
  get wrongChain(): ChainError | undefined {
    return this.#wrongChain;
  }

  get status(): EndpointStatus {
    const { name, isHealthy, head } = this;
    return { name, healthy: isHealthy, head: head?.number, lastFailure: this.#lastFailure };
  }

  /** The result of one call, once the server has shown that it is on the right chain. */
  async call(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    await this.prove(signal);
    return await this.#init.client.call(method, params, { signal, retries: 0 });
  }

  /** Asks for the chain's id, unless it was told lately. Throws `wrong_chain`. */
  async prove(signal: AbortSignal): Promise<void> {
    if (this.#init.clock() - this.#provenAt < PROOF_MS) return;
    const { client } = this.#init;
    await this.checkChain((method) => client.call(method, [], { signal, retries: 0 }));
  }

  /** Throws `wrong_chain` unless `call` answers with the right chain's id. */
  async checkChain(call: (method: string) => Promise<unknown>): Promise<void> {
    const method = "eth_chainId";
    const answer = await call(method);
    if (typeof answer !== "string" || !/^0x[0-9a-f]{1,64}$/i.test(answer)) {
      throw new ChainError({ code: "rpc_bad_answer", method, reason: "not a quantity" });
    }
    const [expected, actual] = [this.#init.chainId, BigInt(answer)];
    if (actual !== expected) throw new ChainError({ code: "wrong_chain", expected, actual });
    this.#provenAt = this.#init.clock();
    this.#wrongChain = undefined;
  }

  /** Its newest block. Throws like {@link call}. */
  async askHead(signal: AbortSignal): Promise<ToldHead> {
    const head = toldHead(await this.call("eth_getBlockByNumber", ["latest", false], signal));
    if (head === undefined) {
      const reason = "no latest block";
      throw new ChainError({ code: "rpc_bad_answer", method: "eth_getBlockByNumber", reason });
    }
    return head;
  }

  /** It answered: whatever was wrong is over. True if it had been set aside. */
  returned(): boolean {
    const was = this.isAside;
    this.#asideUntil = undefined;
    return was;
  }

  /** Not asked again until some time, `least` milliseconds or more, has passed; longer each time. True if it had been in use. */
  setAside(error: ChainError, least = 0): boolean {
    const { clock, asideMinMs } = this.#init;
    const { failure } = error;
    const now = clock();
    const was = this.isAside;
    if (now - this.#failedAt > STEADY_MS + MAX_ASIDE_MS) this.#failures = 0;
    this.#failedAt = now;
    this.#lastFailure = { code: failure.code, at: Date.now() };
    this.#provenAt = Number.NEGATIVE_INFINITY;
    // Whoever answers there when it comes back may not have what this one had.
    this.head = undefined;
    this.#wrongChain = failure.code === "wrong_chain" ? error : undefined;
    const grown = Math.min(MAX_ASIDE_MS, asideMinMs * 2 ** Math.min(this.#failures++, MAX_DOUBLINGS));
    const asked = failure.code === "rpc_rate_limited" ? (failure.retryAfterMs ?? 0) : 0;
    const pause = Math.max(least, grown * (0.75 + Math.random() / 2), Math.min(asked, MAX_ASIDE_MS));
    this.#asideUntil = now + (this.#wrongChain === undefined ? pause : WRONG_CHAIN_MS);
    return !was;
  }

  close(): void {
    this.#init.client.close?.();
  }
}

/** Number and time of a block as `eth_getBlockByNumber` answers it, or undefined for what is none. */
export function toldHead(answer: unknown): ToldHead | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  const block = answer as { number?: unknown; timestamp?: unknown };
  const [number, timestamp] = [numberOf(block.number), numberOf(block.timestamp)];
  return number === undefined || timestamp === undefined ? undefined : { number, timestamp };
}

/** A quantity as a number, or undefined for what is none or too great. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value !== "string" || !/^0x[0-9a-f]{1,14}$/i.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Failures after which another server is asked, and this one not for a while. */
export function isServersFault(error: unknown): error is ChainError {
  const code = failureOf(error)?.code;
  return (
    code === "rpc_down" || code === "rpc_rate_limited" || code === "rpc_bad_answer" || code === "wrong_chain"
  );
}

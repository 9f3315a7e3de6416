import { Endpoint, type EndpointStatus, isServersFault, type ToldHead, toldHead } from "./endpoint.ts";
import { ChainError, type ChainFailure } from "./error.ts";
import type { CallOptions, JsonRpc } from "./jsonRpc.ts";
import { isSuccessOfOther, lacksIt, neededBlock } from "./methods.ts";
import { retried } from "./retry.ts";
import { DEFAULT_RETRIES, DEFAULT_RETRY_MIN_MS, Rpc } from "./rpc.ts";
import { isSocket, type NamedUrl, namedUrls } from "./rpcUrl.ts";
import { SocketRpc } from "./socketRpc.ts";
import { Alarm } from "./wait.ts";

export type { EndpointStatus } from "./endpoint.ts";

/** What is told about the servers; `endpoint` is a name without keys. */
export type EndpointNews =
  /** Not asked for a while, others take over where there are any. */
  | { readonly kind: "aside"; readonly endpoint: string; readonly failure: ChainFailure }
  /** Its head is far behind another's. `blocks`: how far. */
  | { readonly kind: "behind"; readonly endpoint: string; readonly blocks: number }
  | { readonly kind: "back"; readonly endpoint: string };

export interface FailoverRpcInit {
  /** http, https, ws or wss; the preferred first. At most 16. Never logged. */
  readonly urls: readonly string[];
  /** A server of another chain answers nothing but this one question. */
  readonly chainId: bigint;
  /** Per attempt, milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Rounds over all servers after the first. Default 3; a caller with its own loop passes 0. */
  readonly retries?: number;
  /** First pause before another round, milliseconds; doubles. Default 250. */
  readonly retryMinMs?: number;
  /** A server that pushes told of a new block. */
  readonly onHead?: () => void;
  /** Least milliseconds between two calls of `onHead`: chains may be faster than anybody wants to look. Default 1,000. */
  readonly headPaceMs?: number;
  readonly onNews?: (news: EndpointNews) => void;
  /** Milliseconds between looks at servers that are not in use. Default 15,000. */
  readonly probeMs?: number;
  /** First time aside of a server that fails, milliseconds; doubles up to five minutes. Default 1,000. */
  readonly asideMinMs?: number;
  /** Milliseconds that only ever grow. */
  readonly clock?: () => number;
}

/** Behind by more than so many blocks … */
const LAG_BLOCKS = 3;

/** … and by more than so many seconds of the chain's own time is lagging: less is the way of networks. */
const LAG_SECONDS = 60;

/**
 * For so long what was read of a head binds those that take over: nothing is simulated on an older state than the one
 * its caller has seen. After that an older state is better than none.
 */
const SEEN_MS = 60_000;

/** A server that was doubted answers as ever when it is looked at, so that is no reason to take it back sooner. */
const DOUBTED_MS = 60_000;

/** A server that stands still is found out so soon: as often as a slow chain is asked for its head. */
const DEFAULT_PROBE_MS = 15_000;

/** Between two looks at servers, even if one after the other comes due. */
const MIN_PROBE_MS = 50;

/**
 * Several servers of one chain behind one face: the first that is healthy is asked, and when it fails the next.
 * Which server answers may change between any two calls, so a server is only asked about blocks it has.
 */
export class FailoverRpc implements JsonRpc {
  readonly #init: FailoverRpcInit;
  readonly #endpoints: readonly Endpoint[];
  readonly #clock: () => number;
  readonly #alarm = new Alarm();
  readonly #closing = new AbortController();
  /** The highest head a caller was told, when, and by whom. */
  #seen: { readonly number: number; readonly at: number; readonly by: Endpoint } | undefined;
  /** Who answered last. */
  #last: Endpoint | undefined;
  #watching = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #telling: ReturnType<typeof setTimeout> | undefined;

  /** Throws `rpc_url_invalid`. Connects to nothing before the first call. */
  constructor(init: FailoverRpcInit) {
    this.#init = init;
    this.#clock = init.clock ?? (() => performance.now());
    this.#endpoints = namedUrls(init.urls).map((named) => this.#endpoint(named));
  }

  /** Every server, in the order of preference. */
  status(): EndpointStatus[] {
    return this.#endpoints.map(({ status }) => status);
  }

  /**
   * The result of one call. Throws {@link ChainError}: `wrong_chain` when every server is of another chain, else what
   * the last one that could be asked failed with.
   */
  async call(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown> {
    this.#watch();
    const { signal, retries = this.#init.retries ?? DEFAULT_RETRIES } = options;
    const minMs = this.#init.retryMinMs ?? DEFAULT_RETRY_MIN_MS;
    const round =
      method === "eth_sendRawTransaction"
        ? () => this.#toAll(method, params, signal)
        : () => this.#round(method, params, signal);
    return await retried(round, { retries, minMs, signal });
  }

  async callEach(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown[]> {
    this.#watch();
    const { signal } = options;
    const heard = this.#line().filter((endpoint) => this.#isHeard(endpoint));
    const ask = async (endpoint: Endpoint): Promise<unknown[]> => {
      try {
        const has = await this.#has(endpoint, method, params, signal);
        return [await endpoint.call(method, has ? params : [params[0], "latest"], signal)];
      } catch (error) {
        if (!signal.aborted && isServersFault(error)) this.#failed(endpoint, error);
        return [];
      }
    };
    const answers = heard.length > 1 ? (await Promise.all(heard.map(ask))).flat() : [];
    signal.throwIfAborted();
    return answers.length > 0 ? answers : [await this.call(method, params, options)];
  }

  doubt(failure: ChainFailure): boolean {
    if (this.#last !== undefined && this.#endpoints.length > 1) {
      this.#failed(this.#last, new ChainError(failure), DOUBTED_MS);
    }
    return this.#endpoints.some(({ isAside }) => !isAside) && this.#endpoints.length > 1;
  }

  /** Lets go of connections and timers; calls under way fail. */
  close(): void {
    this.#closing.abort(new DOMException("the chain's servers were let go", "AbortError"));
    clearTimeout(this.#telling);
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  #endpoint({ url, name }: NamedUrl): Endpoint {
    const { timeoutMs, chainId, asideMinMs = 1_000, onHead } = this.#init;
    const limits = timeoutMs === undefined ? {} : { timeoutMs };
    const client = isSocket(url)
      ? new SocketRpc({
          url: url.href,
          ...limits,
          greet: (call) => endpoint.checkChain(call),
          ...(onHead && { onHead: () => this.#heard(endpoint) }),
        })
      : new Rpc({ url: url.href, ...limits });
    const endpoint: Endpoint = new Endpoint({ name, client, chainId, asideMinMs, clock: this.#clock });
    return endpoint;
  }

  /** Asks one server after the other until one answers. */
  async #round(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    let failure: unknown;
    let lacking: unknown;
    for (const endpoint of this.#line()) {
      try {
        if (!(await this.#has(endpoint, method, params, signal))) {
          failure = new ChainError({ code: "rpc_down", method, reason: "no server has so new a block yet" });
          continue;
        }
        const result = await endpoint.call(method, params, signal);
        this.#answered(endpoint, method, params, result);
        return result;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (isServersFault(error)) this.#failed(endpoint, error);
        if (lacksIt(error)) lacking ??= error;
        else if (isServersFault(error)) failure = error;
        else throw error;
      }
    }
    // What one server says for certain is worth more than that another could not be asked.
    throw lacking ?? failure ?? this.#nobody(method);
  }

  /** A signed transaction is the same whoever hands it on, so all get it and the first that takes it will do. */
  async #toAll(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const line = this.#line();
    const healthy = line.filter(({ isHealthy }) => isHealthy);
    const chosen = healthy.length > 0 ? healthy : line;
    const failures: unknown[] = [];
    const attempts = chosen.map(async (endpoint, index) => {
      try {
        return await endpoint.call(method, params, signal);
      } catch (error) {
        if (isSuccessOfOther(error)) return null;
        if (!signal.aborted && isServersFault(error)) this.#failed(endpoint, error);
        failures[index] = error;
        throw error;
      }
    });
    try {
      return await Promise.any(attempts);
    } catch {
      if (signal.aborted) throw signal.reason;
      const told = failures.find((error) => !isServersFault(error));
      throw told ?? failures[0] ?? this.#nobody(method);
    }
  }

  /** Whom to ask, in this order: the healthy, those behind with the highest head first, those aside that come back first. */
  #line(): Endpoint[] {
    const now = this.#clock();
    const isOff = (endpoint: Endpoint) =>
      endpoint.wrongChain !== undefined && (endpoint.asideUntil ?? 0) > now;
    const usable = this.#endpoints.filter((endpoint) => !isOff(endpoint));
    const rank = (endpoint: Endpoint) => (endpoint.isAside ? 2 : endpoint.isBehind ? 1 : 0);
    return usable.sort((a, b) => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      if (rank(a) === 2) return (a.asideUntil ?? 0) - (b.asideUntil ?? 0);
      return rank(a) === 1 ? (b.head?.number ?? 0) - (a.head?.number ?? 0) : 0;
    });
  }

  #nobody(method: string): ChainError {
    const wrong = this.#endpoints.find(({ wrongChain }) => wrongChain !== undefined)?.wrongChain;
    return wrong ?? new ChainError({ code: "rpc_down", method, reason: "no server can be asked" });
  }

  /** Whether it has a say: one that lags behind our own clock, too, has none, but a head made up silences nobody. */
  #isHeard({ isAside, isHealthy, head }: Endpoint): boolean {
    return isHealthy || (!isAside && (head?.timestamp ?? 0) >= Date.now() / 1000 - LAG_SECONDS);
  }

  /** Whether the server has the block a call is about: one that is behind would leave events out, and not say so. */
  async #has(
    endpoint: Endpoint,
    method: string,
    params: readonly unknown[],
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#endpoints.length === 1) return true;
    const needed = neededBlock(method, params, this.#binding());
    if (needed === undefined || (endpoint.head?.number ?? -1) >= needed) return true;
    const head = await endpoint.askHead(signal);
    this.#told(endpoint, head);
    return head.number >= needed;
  }

  /** The head that simulations must not fall behind, or undefined. */
  #binding(): number | undefined {
    const seen = this.#seen;
    if (seen === undefined || seen.by.wrongChain !== undefined) return undefined;
    return this.#clock() - seen.at < SEEN_MS ? seen.number : undefined;
  }

  #answered(endpoint: Endpoint, method: string, params: readonly unknown[], result: unknown): void {
    this.#last = endpoint;
    if (endpoint.returned()) this.#say({ kind: "back", endpoint: endpoint.name });
    if (method !== "eth_getBlockByNumber" || params[0] !== "latest") return;
    const head = toldHead(result);
    if (head === undefined) return;
    this.#told(endpoint, head);
    if (head.number >= (this.#binding() ?? 0)) {
      this.#seen = { number: head.number, at: this.#clock(), by: endpoint };
    }
  }

  /** Judges a head by those the other servers told before. */
  #told(endpoint: Endpoint, head: ToldHead): void {
    endpoint.head = head;
    endpoint.headAt = this.#clock();
    const ahead = this.#endpoints.find(
      (other) =>
        other !== endpoint &&
        !other.isAside &&
        other.head !== undefined &&
        other.head.number > head.number + LAG_BLOCKS &&
        other.head.timestamp > head.timestamp + LAG_SECONDS,
    );
    const was = endpoint.isBehind;
    endpoint.behind = ahead;
    if (ahead !== undefined && !was) {
      const blocks = ahead.head!.number - head.number;
      this.#say({ kind: "behind", endpoint: endpoint.name, blocks });
    } else if (ahead === undefined && was) this.#say({ kind: "back", endpoint: endpoint.name });
  }

  #failed(endpoint: Endpoint, error: ChainError, least = 0): void {
    const before = endpoint.status.lastFailure?.code;
    const wasInUse = endpoint.setAside(error, least);
    // What it said of its head is not held against the others.
    if (this.#seen?.by === endpoint && error.code !== "rpc_down" && error.code !== "rpc_rate_limited") {
      this.#seen = undefined;
    }
    this.#alarm.wake();
    const { failure } = error;
    if (wasInUse || before !== failure.code) this.#say({ kind: "aside", endpoint: endpoint.name, failure });
  }

  /** Looks after the servers that are not in use, so that it is known what they are worth when they are needed. */
  #watch(): void {
    if (this.#watching || this.#endpoints.length === 1) return;
    this.#watching = true;
    const { signal } = this.#closing;
    void (async () => {
      while (!signal.aborted) {
        await this.#alarm.wait(Math.max(MIN_PROBE_MS, this.#nextLook()), signal).catch(() => {});
        await Promise.all(this.#due().map((endpoint) => this.#probe(endpoint, signal)));
      }
    })();
  }

  #nextLook(): number {
    return Math.min(...this.#endpoints.map((endpoint) => this.#dueAt(endpoint))) - this.#clock();
  }

  #due(): Endpoint[] {
    const now = this.#clock();
    return this.#endpoints.filter((endpoint) => this.#dueAt(endpoint) <= now);
  }

  #dueAt(endpoint: Endpoint): number {
    return endpoint.asideUntil ?? Math.max(0, endpoint.headAt + (this.#init.probeMs ?? DEFAULT_PROBE_MS));
  }

  async #probe(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    try {
      const head = await endpoint.askHead(signal);
      if (endpoint.returned()) this.#say({ kind: "back", endpoint: endpoint.name });
      this.#told(endpoint, head);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ChainError) this.#failed(endpoint, error);
    }
  }

  #heard(endpoint: Endpoint): void {
    if (this.#telling !== undefined || !endpoint.isHealthy || this.#closing.signal.aborted) return;
    const pause = this.#toldAt + (this.#init.headPaceMs ?? 1_000) - this.#clock();
    this.#telling = setTimeout(
      () => {
        this.#telling = undefined;
        this.#toldAt = this.#clock();
        this.#init.onHead?.();
      },
      Math.max(0, pause),
    );
  }

  #say(news: EndpointNews): void {
    this.#init.onNews?.(news);
  }
}

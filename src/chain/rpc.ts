import pRetry from "p-retry";
import { ChainError, type ChainFailure } from "./error.ts";
import { sleep } from "./wait.ts";

/** What a JSON-RPC client needs; every bound has a default. */
export interface RpcInit {
  /** http or https; may carry `user:password@`, sent as basic authorization. Never logged. */
  readonly url: string;
  /** Per attempt, milliseconds. Default 10,000: above any healthy server's slowest getLogs. */
  readonly timeoutMs?: number;
  /** Further attempts after an outage or a rate limit. Default 3; a caller with its own loop passes 0. */
  readonly retries?: number;
  /** First pause before a retry, milliseconds; doubles, with jitter up to twice. Default 250. */
  readonly retryMinMs?: number;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly retries?: number;
}

/** Calls on the wire at once: public servers count bursts, and nothing here is faster for more. */
export const MAX_CALLS_IN_FLIGHT = 8;

/** Calls waiting for a place: a restart may read the state of every channel; beyond it callers are too many. */
const MAX_CALLS_QUEUED = 200_000;

/** Largest answer read: far above a bounded getLogs, far below what hurts the process. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Longest pause between attempts, and the most of a server's `Retry-After` that is honoured. */
const MAX_RETRY_PAUSE_MS = 10_000;

const TOO_LARGE =
  /more than [\d,]+ (results|logs|blocks)|too many (results|logs|blocks)|(block )?range .*(too|limit|exceed|large|wide)|response size|limited to a? ?[\d,]+|exceeds? .*(range|results|block)|result set|max(imum)? .*range/i;

/** Which failures the same call may outlive. */
function isTransient(failure: ChainFailure): boolean {
  return failure.code === "rpc_down" || failure.code === "rpc_rate_limited";
}

/** A bounded JSON-RPC client over `fetch`: cancellable, timed, retried with backoff and jitter, coded errors. */
export class Rpc {
  readonly #url: string;
  readonly #authorization: string | undefined;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #retryMinMs: number;
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;
  #nextId = 1;

  constructor(init: RpcInit) {
    const url = new URL(init.url);
    if (url.username !== "" || url.password !== "") {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      this.#authorization = `Basic ${btoa(pair)}`;
      url.username = "";
      url.password = "";
    }
    this.#url = url.href;
    this.#timeoutMs = init.timeoutMs ?? 10_000;
    this.#retries = init.retries ?? 3;
    this.#retryMinMs = init.retryMinMs ?? 250;
  }

  /**
   * The result of one call. Throws {@link ChainError} (`rpc_down`, `rpc_rate_limited`, `rpc_too_large`,
   * `rpc_error`, `rpc_bad_answer`) or the signal's reason.
   */
  async call(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown> {
    const { signal } = options;
    const retries = options.retries ?? this.#retries;
    return await pRetry(() => this.#attempt(method, params, signal), {
      retries,
      minTimeout: this.#retryMinMs,
      maxTimeout: MAX_RETRY_PAUSE_MS,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => error instanceof ChainError && isTransient(error.failure),
      onFailedAttempt: async ({ error, retriesLeft }) => {
        if (retriesLeft === 0 || !(error instanceof ChainError)) return;
        if (error.failure.code !== "rpc_rate_limited" || error.failure.retryAfterMs === undefined) return;
        await sleep(Math.min(error.failure.retryAfterMs, MAX_RETRY_PAUSE_MS), signal);
      },
    });
  }

  async #attempt(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    await this.#enter(method, signal);
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
      return await this.#post(method, params, limit);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ChainError) throw error;
      throw new ChainError({ code: "rpc_down", method, reason: reasonOf(error) }, { cause: error });
    } finally {
      this.#leave();
    }
  }

  async #post(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const id = this.#nextId++;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.#authorization !== undefined) headers.authorization = this.#authorization;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const response = await fetch(this.#url, { method: "POST", headers, body, signal, redirect: "error" });
    if (response.status === 429) {
      await response.body?.cancel();
      throw new ChainError({ code: "rpc_rate_limited", method, retryAfterMs: retryAfter(response.headers) });
    }
    const text = await readBounded(response, method);
    return resultOf(text, response.status, id, method);
  }

  async #enter(method: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inFlight < MAX_CALLS_IN_FLIGHT) {
      this.#inFlight++;
      return;
    }
    if (this.#waiting.length >= MAX_CALLS_QUEUED) {
      throw new ChainError({ code: "rpc_down", method, reason: "too many calls are waiting" });
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(enter);
    });
  }

  /** Hands the place to the next waiter, or frees it. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inFlight--;
    else next();
  }
}

function resultOf(text: string, status: number, id: number, method: string): unknown {
  let answer: { id?: unknown; result?: unknown; error?: unknown };
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) throw new SyntaxError("not an object");
    answer = parsed;
  } catch {
    // A gateway's HTML error page, or an answer cut short: the server behind it is not there.
    throw new ChainError({ code: "rpc_down", method, reason: `HTTP ${status} without JSON` });
  }
  if (answer.error !== undefined && answer.error !== null)
    throw new ChainError(failureFrom(answer.error, method));
  if (status >= 500) throw new ChainError({ code: "rpc_down", method, reason: `HTTP ${status}` });
  if (status !== 200 || answer.id !== id || answer.result === undefined) {
    throw new ChainError({
      code: "rpc_bad_answer",
      method,
      reason: `HTTP ${status}, not an answer to this call`,
    });
  }
  return answer.result;
}

function failureFrom(error: unknown, method: string): ChainFailure {
  const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown };
  const rpcCode = typeof code === "number" ? code : 0;
  const reason = typeof message === "string" ? message.slice(0, 500) : "no message";
  // Some servers answer too wide a getLogs with the rate limit's code, so the text is read first.
  if (method === "eth_getLogs" && TOO_LARGE.test(reason)) return { code: "rpc_too_large", method, reason };
  if (rpcCode === -32005 || rpcCode === 429 || /rate.?limit|too many requests/i.test(reason)) {
    return { code: "rpc_rate_limited", method, retryAfterMs: undefined };
  }
  return { code: "rpc_error", method, rpcCode, reason, data: revertData(data, 3) };
}

/** A revert's data: servers give it as `data`, or one or two objects deep. */
function revertData(data: unknown, depth: number): string | undefined {
  if (typeof data === "string") return /^0x([0-9a-f]{2})*$/i.test(data) ? data : undefined;
  if (typeof data !== "object" || data === null || depth === 0) return undefined;
  return revertData((data as { data?: unknown }).data, depth - 1);
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

async function readBounded(response: Response, method: string): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      throw new ChainError({
        code: "rpc_too_large",
        method,
        reason: `answer above ${MAX_ANSWER_BYTES} bytes`,
      });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: unknown } | undefined;
  return typeof cause?.code === "string" ? `${error.message} (${cause.code})` : error.message;
}

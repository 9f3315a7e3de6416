import { MAX_ANSWER_BYTES, parseAnswer, throwError, tooLarge } from "./answer.ts";
import { ChainError } from "./error.ts";
import type { CallOptions, JsonRpc } from "./jsonRpc.ts";
import { Places } from "./places.ts";
import { retried } from "./retry.ts";

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

export const DEFAULT_TIMEOUT_MS = 10_000;
export const DEFAULT_RETRIES = 3;
export const DEFAULT_RETRY_MIN_MS = 250;

/** A bounded JSON-RPC client over `fetch`: cancellable, timed, retried with backoff and jitter, coded errors. */
export class Rpc implements JsonRpc {
  readonly #url: string;
  readonly #authorization: string | undefined;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #retryMinMs: number;
  readonly #places = new Places();
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
    this.#timeoutMs = init.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#retries = init.retries ?? DEFAULT_RETRIES;
    this.#retryMinMs = init.retryMinMs ?? DEFAULT_RETRY_MIN_MS;
  }

  /**
   * The result of one call. Throws {@link ChainError} (`rpc_down`, `rpc_rate_limited`, `rpc_too_large`,
   * `rpc_error`, `rpc_bad_answer`) or the signal's reason.
   */
  async call(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown> {
    const { signal, retries = this.#retries } = options;
    const attempt = () => this.#places.within(method, signal, () => this.#attempt(method, params, signal));
    return await retried(attempt, { retries, minMs: this.#retryMinMs, signal });
  }

  async #attempt(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
      return await this.#post(method, params, limit);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ChainError) throw error;
      throw new ChainError({ code: "rpc_down", method, reason: reasonOf(error) }, { cause: error });
    }
  }

  async #post(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const id = this.#nextId++;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.#authorization !== undefined) headers.authorization = this.#authorization;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const response = await fetch(this.#url, { method: "POST", headers, body, signal, redirect: "error" });
    const { status } = response;
    if (status === 429) {
      await response.body?.cancel();
      throw new ChainError({ code: "rpc_rate_limited", method, retryAfterMs: retryAfter(response.headers) });
    }
    if (REFUSES_US.includes(status)) {
      await response.body?.cancel();
      throw new ChainError({
        code: "rpc_down",
        method,
        reason: `HTTP ${status}: the server wants another key`,
      });
    }
    return resultOf(await readBounded(response, method), status, id, method);
  }
}

/** Unpaid, unauthorised, forbidden: whatever is asked, this server has no answer for us. */
const REFUSES_US: readonly number[] = [401, 402, 403];

function resultOf(text: string, status: number, id: number, method: string): unknown {
  const answer = parseAnswer(text);
  if (answer === undefined) {
    // A gateway's HTML error page, or an answer cut short: the server behind it is not there.
    throw new ChainError({ code: "rpc_down", method, reason: `HTTP ${status} without JSON` });
  }
  throwError(answer, method);
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
    if (size > MAX_ANSWER_BYTES) throw tooLarge(method);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: unknown } | undefined;
  return typeof cause?.code === "string" ? `${error.message} (${cause.code})` : error.message;
}

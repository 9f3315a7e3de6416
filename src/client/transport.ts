import pRetry from "p-retry";
import { bigintsAsText } from "./json.ts";
import { problemOf, Unreachable } from "./problem.ts";

export interface TransportOptions {
  /** Where the API is, for example `http://127.0.0.1:9742`. */
  readonly url: string;
  /** The access token's secret. Default: none. */
  readonly token?: string | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** Further attempts of calls that are safe to repeat, after failures of the connection or 503. Default 3. */
  readonly retries?: number | undefined;
}

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
  readonly idempotencyKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sending it twice is the same as once. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
}

const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 3_000;

/** Sends calls and gives successful answers; everything else becomes `ApiProblem` or `Unreachable`. */
export class Transport {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #retries: number;

  constructor({ url, token, fetch: given, retries = 3 }: TransportOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
    // Bound: browsers refuse a fetch that is called as somebody's method.
    this.#fetch = given ?? globalThis.fetch.bind(globalThis);
    this.#retries = retries;
  }

  async send(call: Sent): Promise<Response> {
    if (!call.repeatable) return this.#once(call);
    return pRetry(() => this.#once(call), {
      retries: this.#retries,
      minTimeout: RETRY_MIN_MS,
      maxTimeout: RETRY_MAX_MS,
      randomize: true,
      ...(call.signal && { signal: call.signal }),
      shouldRetry: ({ error }) =>
        error instanceof Unreachable || (error as { status?: number }).status === 503,
    });
  }

  async #once(call: Sent): Promise<Response> {
    const { method, body, idempotencyKey, signal } = call;
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`;
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await this.#fetch(this.#url + call.path + queryText(call.query), {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body, bigintsAsText) }),
        ...(signal && { signal }),
        redirect: "error",
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw new Unreachable(this.#url, idempotencyKey, error);
    }
    if (!response.ok) {
      const problem = await problemOf(response);
      problem.idempotencyKey = idempotencyKey;
      throw problem;
    }
    return response;
  }
}

function queryText(query: Sent["query"]): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return "";
  return `?${new URLSearchParams(pairs.map(([name, value]) => [name, `${value}`]))}`;
}

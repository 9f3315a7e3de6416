import pRetry from "p-retry";
import { ChainError, type ChainFailure } from "./error.ts";
import { sleep } from "./wait.ts";

export interface RetryPolicy {
  /** Further attempts after an outage or a rate limit. */
  readonly retries: number;
  /** First pause, milliseconds; doubles, with jitter up to twice. */
  readonly minMs: number;
  readonly signal: AbortSignal;
}

/** Longest pause between attempts, and the most of a server's `Retry-After` that is honoured. */
const MAX_RETRY_PAUSE_MS = 10_000;

/** Which failures the same call may outlive. */
function isTransient(failure: ChainFailure): boolean {
  return failure.code === "rpc_down" || failure.code === "rpc_rate_limited";
}

/** The result of `attempt`, tried again with backoff after transient failures. */
export function retried<T>(attempt: () => Promise<T>, { retries, minMs, signal }: RetryPolicy): Promise<T> {
  return pRetry(attempt, {
    retries,
    minTimeout: minMs,
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

import type { PeerLimits } from "./limits.ts";

/**
 * How long to wait before the next attempt: exponential, with full jitter, so that the peers of a restarted hub do
 * not all come back at once.
 */
export class Backoff {
  readonly #base: number;
  readonly #max: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(
    limits: Pick<PeerLimits, "backoffBaseMs" | "backoffMaxMs">,
    random: () => number = Math.random,
  ) {
    this.#base = limits.backoffBaseMs;
    this.#max = limits.backoffMaxMs;
    this.#random = random;
  }

  /** Milliseconds, at least half the base; counts a failure. */
  next(): number {
    // Beyond 2^20 the bound has long been reached; the exponent must not grow for ever.
    const ceiling = Math.min(this.#max, this.#base * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    return Math.max(this.#base / 2, Math.round(this.#random() * ceiling));
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
  });
}

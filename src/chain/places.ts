import { ChainError } from "./error.ts";

/** Calls on the wire to one server at once: public servers count bursts, and nothing here is faster for more. */
export const MAX_CALLS_IN_FLIGHT = 8;

/** Calls waiting for a place: a restart may read the state of every channel; beyond it callers are too many. */
const MAX_CALLS_QUEUED = 200_000;

/** The bounded places on the wire to one server; who finds none waits in line. */
export class Places {
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  /** Runs `act` in a place of its own. Throws `rpc_down` when too many wait, or the signal's reason. */
  async within<T>(method: string, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    await this.#enter(method, signal);
    try {
      return await act();
    } finally {
      this.#leave();
    }
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

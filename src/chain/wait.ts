/** The longest a timer can be set for, milliseconds: 24 days. One that is set for longer rings at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** A sleep that `wake` cuts short; a wake during no sleep shortens the next one, so none is lost. */
export class Alarm {
  #woken = false;
  #ring: (() => void) | undefined;

  wake(): void {
    this.#woken = true;
    this.#ring?.();
  }

  /** Resolves after `ms` (undefined: only when woken); rejects with the signal's reason. */
  async wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#woken) {
      this.#woken = false;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const timer = ms === undefined ? undefined : setTimeout(() => done(resolve), ms);
      const onAbort = () => done(() => reject(signal.reason));
      const done = (finish: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#ring = undefined;
        finish();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#ring = () => done(resolve);
    });
    this.#woken = false;
  }
}

/** `promise`, or a rejection with the signal's reason if that comes first. What the promise rejects with then is nobody's. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

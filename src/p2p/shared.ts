interface Attempt<T> {
  readonly by: string;
  readonly promise: Promise<T>;
  readonly control: AbortController;
  callers: number;
}

/**
 * Runs at most one task per key, by whoever came first; all who ask for it until it ends share it. It is aborted when
 * nobody waits any more.
 */
export class SharedTasks<T> {
  readonly #attempts = new Map<string, Attempt<T>>();

  /** Who began what is under way for `key`. */
  begunBy(key: string): string | undefined {
    return this.#attempts.get(key)?.by;
  }

  /** The result of `task` for `key`, begun here or by somebody else; rejects as `signal` says when that is first. */
  async run(
    key: string,
    by: string,
    signal: AbortSignal,
    task: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const attempt = this.#attempts.get(key) ?? this.#begin(key, by, task);
    attempt.callers++;
    let onAbort: (() => void) | undefined;
    try {
      const aborted = new Promise<never>((_, reject) => {
        onAbort = () => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
      });
      return await Promise.race([attempt.promise, aborted]);
    } finally {
      if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
      if (--attempt.callers === 0) this.#finish(key, attempt, signal.reason);
    }
  }

  #begin(key: string, by: string, task: (signal: AbortSignal) => Promise<T>): Attempt<T> {
    const control = new AbortController();
    const promise = task(control.signal);
    const attempt: Attempt<T> = { by, promise, control, callers: 0 };
    this.#attempts.set(key, attempt);
    // Over before anybody hears of it: who then asks again must not be given the same end. All may have left by then.
    const over = () => this.#forget(key, attempt);
    promise.then(over, over);
    return attempt;
  }

  #finish(key: string, attempt: Attempt<T>, reason: unknown): void {
    this.#forget(key, attempt);
    attempt.control.abort(reason);
  }

  #forget(key: string, attempt: Attempt<T>): void {
    if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
  }
}

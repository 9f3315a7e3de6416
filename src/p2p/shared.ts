interface Attempt<T> {
  readonly promise: Promise<T>;
  readonly control: AbortController;
  callers: number;
}

/** Runs at most one task per key; all who ask for it meanwhile share it. It is aborted when nobody waits any more. */
export class SharedTasks<T> {
  readonly #attempts = new Map<string, Attempt<T>>();

  /** The result of `task` for `key`, begun here or by somebody else; rejects as `signal` says when that is first. */
  async run(key: string, signal: AbortSignal, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const attempt = this.#attempts.get(key) ?? this.#begin(key, task);
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

  #begin(key: string, task: (signal: AbortSignal) => Promise<T>): Attempt<T> {
    const control = new AbortController();
    const promise = task(control.signal);
    // Everybody may have left before it fails.
    promise.catch(() => undefined);
    const attempt: Attempt<T> = { promise, control, callers: 0 };
    this.#attempts.set(key, attempt);
    return attempt;
  }

  #finish(key: string, attempt: Attempt<T>, reason: unknown): void {
    if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
    attempt.control.abort(reason);
  }
}

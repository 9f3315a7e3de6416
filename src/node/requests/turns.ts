import { orAborted } from "../../chain/wait.ts";
import { NodeError } from "../error.ts";

/** Does what has the same name one after the other. At most `most` wait or work at once. */
export class Turns {
  readonly #most: number;
  readonly #last = new Map<string, Promise<void>>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs `task` once everything of this name that came before is over. Rejects with the signal's reason, or `queue_full`. */
  async take<T>(name: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    if (this.#size >= this.#most) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(this.#most) } });
    }
    const before = this.#last.get(name) ?? Promise.resolve();
    const done = Promise.withResolvers<void>();
    // Whoever gives up while waiting still lets the next one wait for those before.
    const last = before.then(() => done.promise);
    this.#last.set(name, last);
    void last.then(() => {
      if (this.#last.get(name) === last) this.#last.delete(name);
    });
    this.#size++;
    try {
      await orAborted(before, signal);
      return await task();
    } finally {
      this.#size--;
      done.resolve();
    }
  }
}

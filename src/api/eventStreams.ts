import { answererOf } from "../node/limits/spender.ts";
import { ApiError } from "./error.ts";
import type { Caller } from "./handler.ts";

/** Said when a stream ends on purpose: the reader comes again and goes on behind its last event. */
const GOODBYE = ": goodbye\n\n";
const ALIVE = ": alive\n\n";
/** With the milliseconds after which readers come again, and where this one began: it may break before any event. */
const greeting = (from: string) => `retry: 1000\nid: ${from}\n\n`;

/** One server-sent event, before it is text. */
export interface Told {
  readonly cursor: string;
  readonly type: string;
  readonly data: unknown;
}

/** Turns events into server-sent ones, and counts who follows. */
export class EventStreams {
  readonly #perToken: number;
  readonly #heartbeatMs: number;
  /** By whom they answer as: whoever makes many access tokens of one follows no more often. */
  readonly #open = new Map<string, number>();

  constructor(perToken: number, heartbeatMs: number) {
    this.#perToken = perToken;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Streams that are open. */
  get size(): number {
    let size = 0;
    for (const count of this.#open.values()) size += count;
    return size;
  }

  /**
   * The text of a stream that begins at the cursor `from`. Asks for an event only when the last one was taken, so that a slow reader holds none.
   * Throws `too_many_streams` at once.
   */
  stream(
    { spender }: Caller,
    from: string,
    events: AsyncIterator<Told>,
    signal: AbortSignal,
  ): AsyncIterable<string> {
    const by = answererOf(spender);
    const count = this.#open.get(by) ?? 0;
    if (count >= this.#perToken) {
      throw new ApiError({ code: "too_many_streams", fields: { limit: BigInt(this.#perToken) } });
    }
    this.#open.set(by, count + 1);
    let isOpen = true;
    const close = () => {
      if (!isOpen) return;
      isOpen = false;
      const left = this.#open.get(by)! - 1;
      if (left === 0) this.#open.delete(by);
      else this.#open.set(by, left);
    };
    // Also when nobody ever reads it.
    signal.addEventListener("abort", close, { once: true });
    return this.#texts(from, events, signal, close);
  }

  async *#texts(
    from: string,
    events: AsyncIterator<Told>,
    signal: AbortSignal,
    close: () => void,
  ): AsyncGenerator<string> {
    try {
      yield greeting(from);
      let next = events.next();
      next.catch(() => {});
      while (!signal.aborted) {
        const result = await this.#within(next);
        if (result === undefined) {
          yield ALIVE;
          continue;
        }
        if (result.done) break;
        yield textOf(result.value);
        next = events.next();
        next.catch(() => {});
      }
      yield GOODBYE;
    } catch {
      // What cannot be told any more is answered when the reader comes again.
      yield GOODBYE;
    } finally {
      close();
      // It may be waiting for an event: nobody waits for its end.
      void events.return?.(undefined)?.catch(() => {});
    }
  }

  /** Undefined when there was nothing for a heartbeat's time. */
  async #within<Value>(next: Promise<Value>): Promise<Value | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const quiet = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, this.#heartbeatMs, undefined);
    });
    try {
      return await Promise.race([next, quiet]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function textOf({ cursor, type, data }: Told): string {
  return `id: ${cursor}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

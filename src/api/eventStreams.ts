import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";
import { PerCaller } from "./perCaller.ts";

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
  readonly #open: PerCaller;
  readonly #heartbeatMs: number;

  constructor(perToken: number, heartbeatMs: number) {
    this.#open = new PerCaller(perToken);
    this.#heartbeatMs = heartbeatMs;
  }

  /** Streams that are open. */
  get size(): number {
    return this.#open.total;
  }

  /**
   * The text of a stream that begins at the cursor `from`. Asks for an event only when the last one was taken, so that a
   * slow reader holds none. It ends with the caller's access token. Throws `too_many_streams` at once.
   */
  stream(
    caller: Caller,
    from: string,
    events: AsyncIterator<Told>,
    signal: AbortSignal,
  ): AsyncIterable<string> {
    const close = this.#open.take(caller);
    if (close === undefined) {
      throw new ApiError({ code: "too_many_streams", fields: { limit: BigInt(this.#open.most) } });
    }
    // Also when nobody ever reads it.
    signal.addEventListener("abort", close, { once: true });
    return this.#texts(caller, from, events, signal, close);
  }

  async *#texts(
    { spender }: Caller,
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
        // Ended since, with a stream that it has opened before: what comes now is not for its holder.
        spender.assertLive?.();
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

import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Event } from "../api/schema/event.ts";
import { ApiProblem } from "./problem.ts";
import type { Transport } from "./transport.ts";

export interface FollowEvents {
  /** Go on behind this cursor. Absent: from now on. `0`: from the oldest kept. */
  readonly after?: string | undefined;
  /** Types to tell; all by default. */
  readonly types?: readonly Event["type"][] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told when the connection was lost, before it is tried again. */
  readonly onReconnect?: ((error: unknown) => void) | undefined;
}

const PAUSE_MIN_MS = 250;
const PAUSE_MAX_MS = 10_000;

/**
 * The node's events, without end. After a lost connection it goes on behind the last event it gave, so that none is
 * missed and none comes twice. Throws `ApiProblem` for what will not get better by itself (`cursor_expired`, a token that is
 * not allowed), and the signal's reason.
 */
export async function* followEvents(
  transport: Transport,
  path: string,
  { after, types, signal, onReconnect }: FollowEvents,
): AsyncGenerator<Event> {
  let cursor = after;
  let pause = PAUSE_MIN_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const response = await transport.send({
        method: "GET",
        path,
        query: { after: cursor, types: types?.join(",") },
        headers: { accept: "text/event-stream" },
        repeatable: false,
        signal,
      });
      const messages = response
        .body!.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>)
        .pipeThrough(new EventSourceParserStream());
      for await (const { id, data } of chunks(messages)) {
        pause = PAUSE_MIN_MS;
        yield JSON.parse(data) as Event;
        // Only what the caller has taken is behind it.
        if (id !== undefined) cursor = id;
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) throw error;
      onReconnect?.(error);
    }
    await wait(pause, signal);
    pause = Math.min(pause * 2, PAUSE_MAX_MS);
  }
}

/** Not every browser iterates streams. */
async function* chunks<Chunk>(stream: ReadableStream<Chunk>): AsyncGenerator<Chunk> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

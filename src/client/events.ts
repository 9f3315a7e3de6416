import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Event } from "../api/schema/event.ts";
import { ApiProblem } from "./problem.ts";
import type { Transport } from "./transport.ts";

export interface FollowEvents {
  /** Go on behind this cursor. Absent: from now on. `0`: from the oldest kept. */
  readonly after?: string | undefined;
  /** Types to tell; all by default. */
  readonly types?: readonly Event["type"][] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told when the connection was lost, before it is tried again; without a reason where the node ended it in order. */
  readonly onReconnect?: ((error: unknown) => void) | undefined;
  /** Milliseconds without a sign of life after which the connection counts as lost. Default 60,000. */
  readonly silenceMs?: number | undefined;
}

/** Four of the node's signs of life: a connection can die without either end being told. */
export const SILENCE_MS = 60_000;

/** No event is larger by far; a stream without ends of lines must not fill the memory. */
const MAX_EVENT_CHARS = 1024 * 1024;

const PAUSE_MIN_MS = 250;
const PAUSE_MAX_MS = 10_000;

/** An event, or only where the stream stands. */
type Message = Pick<EventSourceMessage, "id"> & Partial<Pick<EventSourceMessage, "data">>;

/**
 * The node's events, without end. After a lost connection it goes on behind the last event it gave, or where it began,
 * so that none is missed and none comes twice. Throws `ApiProblem` for what will not get better by itself (`cursor_expired`, a token that is
 * not allowed), and the signal's reason.
 */
export async function* followEvents(
  transport: Transport,
  path: string,
  { after, types, signal, onReconnect, silenceMs = SILENCE_MS }: FollowEvents,
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
      for await (const { id, data } of messages(response.body!, silenceMs)) {
        if (data !== undefined) {
          pause = PAUSE_MIN_MS;
          yield JSON.parse(data) as Event;
        }
        // Only what the caller has taken is behind it.
        if (id !== undefined) cursor = id;
      }
      onReconnect?.(undefined);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) throw error;
      onReconnect?.(error);
    }
    await wait(pause, signal);
    pause = Math.min(pause * 2, PAUSE_MAX_MS);
  }
}

/** What one connection brings, until it ends. Throws when it breaks, and when it is silent for too long. */
async function* messages(body: ReadableStream<Uint8Array>, silenceMs: number): AsyncGenerator<Message> {
  const waiting: Message[] = [];
  let failure: Error | undefined;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    onId: (id) => waiting.push({ id }),
    onEvent: (message) => {
      // Its id was just told, and counts once the event was taken.
      if (message.id !== undefined) waiting.pop();
      waiting.push(message);
    },
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") failure = error;
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader.read(), silenceMs);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      if (failure !== undefined) throw failure;
      // One piece of the body holds them all; the next is asked for once they are taken.
      yield* waiting.splice(0);
    }
  } finally {
    // A dead connection may never confirm that it ended: nobody waits for that.
    void reader.cancel().catch(() => {});
  }
}

async function unlessSilent<Value>(read: Promise<Value>, ms: number): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no sign of life for ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
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

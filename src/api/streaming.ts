import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Streamed } from "./handler.ts";

/** Sent where the reader may still be there to see why its event stream ends; it goes on from its last event. */
const SLOW_READER = ": this reader is too slow; go on with Last-Event-ID\n\n";

/**
 * Writes a streamed answer as fast as the client reads it: the next piece is asked for only when there is room, so a
 * slow reader costs one piece and a socket's buffer. One that leaves it unread for `stallMs` is let go.
 */
export async function pour(reply: FastifyReply, { mediaType, fileName, body }: Streamed, stallMs: number) {
  const pieces = body[Symbol.asyncIterator]();
  // What goes wrong before the first piece is answered like any other failure.
  let next = await pieces.next();
  const { raw } = reply;
  reply.hijack();
  const headers = { ...reply.getHeaders(), "content-type": mediaType } as Record<string, string>;
  if (fileName !== undefined) headers["content-disposition"] = `attachment; filename="${fileName}"`;
  raw.writeHead(reply.statusCode, headers);
  try {
    while (!next.done && !raw.destroyed) {
      if (!raw.write(next.value) && !(await drained(raw, stallMs))) {
        await letGo(raw, mediaType);
        return;
      }
      next = await pieces.next();
    }
    raw.end();
  } catch (error) {
    // The beginning is out: only a broken connection tells the client that the rest is missing.
    reply.log.warn({ error }, "a stream broke off");
    raw.destroy();
  } finally {
    await pieces.return?.();
  }
}

/** False if nothing was read for `ms`. */
function drained(raw: ServerResponse, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (read: boolean) => () => {
      clearTimeout(timer);
      raw.off("drain", onDrain);
      raw.off("close", onClose);
      resolve(read);
    };
    const onDrain = done(true);
    const onClose = done(true);
    const timer = setTimeout(done(false), ms);
    raw.once("drain", onDrain);
    raw.once("close", onClose);
  });
}

/** How long the last words may take to leave. */
const LAST_WORDS_MS = 1_000;

async function letGo(raw: ServerResponse, mediaType: string): Promise<void> {
  raw.end(mediaType === "text/event-stream" ? SLOW_READER : undefined);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LAST_WORDS_MS);
    raw.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  raw.destroy();
}

import type { Stream } from "@libp2p/interface";
import { MAX_MESSAGE_BYTES, MAX_SMALL_MESSAGE_BYTES } from "../wire/bounds.ts";
import { decodeMessage } from "../wire/decode.ts";
import { encodeMessage } from "../wire/encode.ts";
import { FrameDecoder } from "../wire/frame.ts";
import type { Message } from "../wire/message.ts";
import { PeerError, reasonOf } from "./error.ts";
import type { PeerLimits } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { spareWindowUpdates } from "./windowUpdates.ts";

export interface LinkReceiver {
  /** Everything one event of the stream completed, in order. */
  onMessages(messages: Message[]): void;
  /** Once, synchronously, when the link ends for whatever reason. Nothing is delivered after it. */
  onEnd(reason: PeerError): void;
}

/**
 * One stream as messages in and out. It starts small, for the handshake, and is widened when the peer has proven
 * who it is. Whatever goes wrong ends the link, and only the link.
 */
export class Link {
  readonly #stream: Stream;
  readonly #limits: PeerLimits;
  readonly #outbox: Outbox;
  readonly #decoder = new FrameDecoder(MAX_SMALL_MESSAGE_BYTES);
  #wide = false;
  #receiver: LinkReceiver;
  #reason: PeerError | undefined;
  readonly #gone = Promise.withResolvers<void>();
  readonly #onDismantled: () => void;

  /** `onDismantled` is called when the stream is gone, after the last words were sent or given up. */
  constructor(stream: Stream, limits: PeerLimits, receiver: LinkReceiver, onDismantled: () => void) {
    this.#stream = stream;
    this.#limits = limits;
    this.#receiver = receiver;
    this.#onDismantled = onDismantled;
    spareWindowUpdates(stream);
    this.#outbox = new Outbox(stream, limits, (reason) => this.end(reason));
    stream.addEventListener("message", (event) => this.#receive(event.data));
    stream.addEventListener("remoteCloseWrite", () => this.end(new PeerError("remote_closed")));
    stream.addEventListener("close", (event) => {
      this.end(event.error === undefined ? new PeerError("remote_closed") : lost(event.error));
    });
  }

  get ended(): PeerError | undefined {
    return this.#reason;
  }

  /** Hands the stream over to `receiver` and takes messages of full size from the next one on. */
  widen(receiver: LinkReceiver): void {
    this.#receiver = receiver;
    this.#wide = true;
    this.#decoder.widen(MAX_MESSAGE_BYTES);
  }

  /** Queues a message for this turn's send. False: more than the mark is waiting, wait for {@link drained}. */
  send(message: Message): boolean {
    if (this.#reason !== undefined) return false;
    return this.#outbox.push(encodeMessage(message));
  }

  drained(signal?: AbortSignal): Promise<void> {
    return this.#reason === undefined ? this.#outbox.drained(signal) : Promise.reject(this.#reason);
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  pause(): void {
    if (this.#reason === undefined) this.#stream.pause();
  }

  /** In a microtask: what arrived meanwhile must not be delivered inside the caller's own step. */
  resume(): void {
    queueMicrotask(() => {
      if (this.#reason === undefined) this.#stream.resume();
    });
  }

  /**
   * Ends the link once. With `tell`, the other side is told why, if it takes it within the bound. Resolves when the
   * stream is gone.
   */
  end(reason: PeerError, tell = false): Promise<void> {
    if (this.#reason === undefined) {
      this.#reason = reason;
      if (tell) {
        this.#outbox.push(encodeMessage({ kind: "error", code: reason.code, fields: reason.fields }));
      }
      this.#outbox.flush();
      this.#outbox.end(reason);
      this.#receiver.onEnd(reason);
      void this.#dismantle();
    }
    return this.#gone.promise;
  }

  async #dismantle(): Promise<void> {
    const stream = this.#stream;
    try {
      // Whoever does not read need not be waited for, and what waits for it is let go.
      if (this.#reason?.code === "peer_stalled") stream.abort(this.#reason);
      if (stream.status === "open") {
        // Bytes left behind a pause would keep the stream from closing.
        if (stream.readStatus === "paused") stream.resume();
        await stream.close({ signal: AbortSignal.timeout(this.#limits.closeMs) });
      }
    } catch (cause) {
      stream.abort(cause instanceof Error ? cause : new Error(reasonOf(cause)));
    } finally {
      this.#onDismantled();
      this.#gone.resolve();
    }
    // The other side has its time to close too; then its end is taken away.
    if (stream.status === "open" || stream.status === "closing") {
      setTimeout(() => stream.abort(new Error("not closed in time")), this.#limits.closeMs).unref?.();
    }
  }

  #receive(data: Uint8Array | Iterable<Uint8Array>): void {
    const messages: Message[] = [];
    let fault: PeerError | undefined;
    if (data instanceof Uint8Array) fault = this.#read(data, messages);
    else {
      for (const chunk of data) {
        fault = this.#read(chunk, messages);
        if (fault !== undefined) break;
      }
    }
    if (messages.length > 0) this.#deliver(messages);
    if (fault !== undefined) void this.end(fault, true);
  }

  /** Reads the messages of `chunk` into `messages`; during the handshake hands each over before it looks at the next. */
  #read(chunk: Uint8Array, messages: Message[]): PeerError | undefined {
    const frames: Uint8Array[] = [];
    for (let offset = 0; offset < chunk.length && this.#reason === undefined; ) {
      const next = this.#decoder.step(chunk, offset, frames);
      if (typeof next !== "number") return new PeerError(next);
      offset = next;
      const frame = frames.pop();
      if (frame === undefined) continue;
      const decoded = decodeMessage(frame);
      if (!decoded.ok) return new PeerError(decoded.code, { reason: decoded.reason });
      if (this.#wide) messages.push(decoded.message);
      else this.#deliver([decoded.message]);
    }
    return undefined;
  }

  #deliver(messages: Message[]): void {
    if (this.#reason !== undefined) return;
    try {
      this.#receiver.onMessages(messages);
    } catch (cause) {
      // A bug of ours that a peer's message can trigger must cost this link, not the process.
      void this.end(new PeerError("internal_error", {}, { cause }), true);
    }
  }
}

function lost(cause: Error): PeerError {
  return new PeerError("connection_lost", { reason: reasonOf(cause) }, { cause });
}

import type { Stream } from "@libp2p/interface";
import { encodeFrames } from "../wire/frame.ts";
import { PeerError, reasonOf } from "./error.ts";
import type { PeerLimits } from "./limits.ts";

/**
 * The end of this turn. A microtask would save some 10 µs of a round trip of 140, but sends once per promise where
 * several of one turn send; pages have nothing better.
 */
const defer: (flush: () => void) => void =
  typeof setImmediate === "function" ? (flush) => setImmediate(flush) : (flush) => queueMicrotask(flush);

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * What waits to be sent on one stream. Everything queued in one turn of the event loop leaves as one chunk; while
 * the stream is full it waits here, counted, and a stream that stays full ends.
 */
export class Outbox {
  readonly #stream: Stream;
  readonly #limits: PeerLimits;
  readonly #fail: (reason: PeerError) => void;
  #messages: Uint8Array[] = [];
  /** Messages before this one have left. */
  #next = 0;
  #bytes = 0;
  #scheduled = false;
  #full = false;
  #ended: PeerError | undefined;
  #stall: ReturnType<typeof setTimeout> | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(stream: Stream, limits: PeerLimits, fail: (reason: PeerError) => void) {
    this.#stream = stream;
    this.#limits = limits;
    this.#fail = fail;
    stream.addEventListener("drain", () => this.#onDrain());
  }

  /** Bytes of the messages that are here and of those the stream has taken but not passed on. */
  get queuedBytes(): number {
    return this.#bytes + this.#stream.writeBufferLength;
  }

  /** False when more than the mark is waiting. More than the bound ends the link: somebody ignores the answer. */
  push(message: Uint8Array): boolean {
    if (this.#ended !== undefined) return false;
    this.#messages.push(message);
    this.#bytes += message.length;
    if (!this.#scheduled && !this.#full) {
      this.#scheduled = true;
      defer(this.#flushScheduled);
    }
    const queued = this.queuedBytes;
    if (queued > this.#limits.maxQueuedBytes) {
      this.#fail(new PeerError("send_queue_overflow", { bytes: String(queued) }));
    }
    return queued <= this.#limits.sendMarkBytes;
  }

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Sends what is queued as far as the stream takes it. */
  flush(): void {
    while (this.#next < this.#messages.length && !this.#full && this.#ended === undefined) this.#sendSome();
    if (this.#next === this.#messages.length && this.#next > 0) {
      this.#messages = [];
      this.#next = 0;
    }
    this.#wake();
  }

  /** Sends one chunk of at most the flush size, or a single message that is larger. */
  #sendSome(): void {
    let end = this.#next;
    let size = 0;
    do size += this.#messages[end++]!.length;
    while (end < this.#messages.length && size + this.#messages[end]!.length <= this.#limits.flushBytes);
    const whole = this.#next === 0 && end === this.#messages.length;
    const chunk = encodeFrames(whole ? this.#messages : this.#messages.slice(this.#next, end));
    this.#next = end;
    this.#bytes -= size;
    try {
      this.#stream.send(chunk);
      if (this.#stream.writableNeedsDrain) this.#fill();
    } catch (cause) {
      this.#fail(new PeerError("connection_lost", { reason: reasonOf(cause) }, { cause }));
    }
  }

  #fill(): void {
    this.#full = true;
    // Messages that left are let go while the rest waits.
    this.#messages = this.#messages.slice(this.#next);
    this.#next = 0;
    this.#stall ??= setTimeout(() => {
      this.#fail(new PeerError("peer_stalled", { bytes: String(this.queuedBytes) }));
    }, this.#limits.stallMs);
  }

  /** The stream's own listener came first and goes on with its own buffer in a microtask; ours follows it. */
  #onDrain(): void {
    if (!this.#full) return;
    clearTimeout(this.#stall);
    this.#stall = undefined;
    queueMicrotask(() => {
      this.#full = false;
      if (this.#ended !== undefined) return;
      if (this.#stream.writableNeedsDrain) this.#fill();
      else this.flush();
    });
  }

  #wake(): void {
    if (this.#waiters.size === 0 || this.queuedBytes > this.#limits.sendLowBytes) return;
    for (const waiter of this.#waiters) waiter.resolve();
    this.#waiters.clear();
  }

  /** Resolves when less than the low mark is waiting; rejects when the link ends or `signal` is aborted. */
  drained(signal?: AbortSignal): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.queuedBytes <= this.#limits.sendLowBytes) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const done = (settle: () => void) => {
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      const waiter: Waiter = { resolve: () => done(resolve), reject: (reason) => done(() => reject(reason)) };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Nothing more is sent; who waits is told why. */
  end(reason: PeerError): void {
    this.#ended = reason;
    clearTimeout(this.#stall);
    this.#messages = [];
    this.#next = 0;
    this.#bytes = 0;
    for (const waiter of this.#waiters) waiter.reject(reason);
    this.#waiters.clear();
  }
}

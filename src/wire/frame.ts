import { MAX_MESSAGE_BYTES } from "./bounds.ts";

/** A frame is a message behind its length as an unsigned varint (multiformats' `unsigned-varint`). */

/** Bytes of a length prefix: three carry 21 bits, more than any message has. */
const MAX_PREFIX_BYTES = 3;

/** Writes `value` (below 2^31) at `offset`; returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

export interface Varint {
  readonly value: number;
  /** The offset behind it. */
  readonly end: number;
}

const BROKEN: Varint = { value: Number.POSITIVE_INFINITY, end: 0 };
const INCOMPLETE: Varint = { value: -1, end: 0 };

/**
 * The varint at `offset`: value −1 while bytes are missing, infinite when it is longer than any length here or not
 * minimal, so that every length has one encoding.
 */
export function readVarint(bytes: Uint8Array, offset: number): Varint {
  let value = 0;
  for (let i = 0; i < MAX_PREFIX_BYTES; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return INCOMPLETE;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return byte === 0 && i > 0 ? BROKEN : { value, end: offset + i + 1 };
  }
  return BROKEN;
}

/** Puts messages behind their lengths into one array, so that a turn's messages leave in one send. */
export function encodeFrames(messages: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const message of messages) size += MAX_PREFIX_BYTES + message.length;
  const frames = new Uint8Array(size);
  let offset = 0;
  for (const message of messages) {
    if (message.length === 0 || message.length > MAX_MESSAGE_BYTES) {
      throw new RangeError("a message of this size has no frame");
    }
    offset = writeVarint(frames, offset, message.length);
    frames.set(message, offset);
    offset += message.length;
  }
  return frames.subarray(0, offset);
}

export type FrameFault = "frame_too_large" | "frame_empty" | "frame_length_malformed";

/**
 * Cuts a byte stream into messages. Holds at most one incomplete frame, never more than the bound on a message;
 * whole frames are handed out as views of the chunk they came in.
 */
export class FrameDecoder {
  #maxBytes: number;
  /** The start of a frame whose end has not come yet. */
  #held: Uint8Array | undefined;
  #heldLength = 0;

  constructor(maxBytes: number = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Takes frames up to `maxBytes` from the next one on. */
  widen(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the incomplete frame. */
  get heldBytes(): number {
    return this.#heldLength;
  }

  /**
   * Appends the messages that `chunk` completes to `messages`, as views of `chunk` where they lie in it whole: read
   * them before it is reused. Returns why the stream cannot go on, if so; the messages before the fault are there.
   */
  push(chunk: Uint8Array, messages: Uint8Array[]): FrameFault | undefined {
    for (let offset = 0; offset < chunk.length; ) {
      const next = this.step(chunk, offset, messages);
      if (typeof next !== "number") return next;
      offset = next;
    }
    return undefined;
  }

  /** {@link push} for at most one message: goes on from `offset` and returns the offset of what it left. */
  step(chunk: Uint8Array, offset: number, messages: Uint8Array[]): number | FrameFault {
    if (this.#heldLength > 0) return this.#fill(chunk, offset, messages);
    const { value: length, end } = readVarint(chunk, offset);
    if (length === -1) return this.#hold(chunk, offset, MAX_PREFIX_BYTES);
    const fault = this.#check(length);
    if (fault !== undefined) return fault;
    if (end + length > chunk.length) return this.#hold(chunk, offset, end - offset + length);
    messages.push(chunk.subarray(end, end + length));
    return end + length;
  }

  #check(length: number): FrameFault | undefined {
    if (length === 0) return "frame_empty";
    if (length === Number.POSITIVE_INFINITY) return "frame_length_malformed";
    return length > this.#maxBytes ? "frame_too_large" : undefined;
  }

  #hold(chunk: Uint8Array, offset: number, capacity: number): number {
    this.#held = new Uint8Array(capacity);
    this.#held.set(chunk.subarray(offset));
    this.#heldLength = chunk.length - offset;
    return chunk.length;
  }

  /** Completes the held frame from `chunk`; returns the offset of the first byte it did not need. */
  #fill(chunk: Uint8Array, offset: number, messages: Uint8Array[]): number | FrameFault {
    let held = this.#held!;
    let at = offset;
    let { value: length, end } = readVarint(held.subarray(0, this.#heldLength), 0);
    while (length === -1 && at < chunk.length) {
      held[this.#heldLength++] = chunk[at++]!;
      ({ value: length, end } = readVarint(held.subarray(0, this.#heldLength), 0));
    }
    if (length === -1) return at;
    const fault = this.#check(length);
    if (fault !== undefined) return fault;
    if (held.length < end + length) {
      const whole = new Uint8Array(end + length);
      whole.set(held.subarray(0, this.#heldLength));
      held = whole;
      this.#held = whole;
    }
    const part = chunk.subarray(at, at + end + length - this.#heldLength);
    held.set(part, this.#heldLength);
    this.#heldLength += part.length;
    if (this.#heldLength === end + length) {
      messages.push(held.subarray(end, end + length));
      this.#held = undefined;
      this.#heldLength = 0;
    }
    return at + part.length;
  }
}

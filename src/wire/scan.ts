import { toHex } from "../protocol/bytes.ts";
import type { ChannelId } from "../protocol/channel.ts";
import { HASH_BYTES } from "./bounds.ts";
import { Malformed } from "./field.ts";

/**
 * Reads protobuf fields in place. Only updates are read by hand, see README: the generated reader allocates an
 * empty array for every field of bytes before it looks at the message.
 */
export class Scan {
  readonly bytes: Uint8Array;
  /** The next byte. */
  at: number;
  /** Behind the last byte that may be read. */
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  #byte(): number {
    if (this.at >= this.end) throw new Malformed("truncated");
    return this.bytes[this.at++]!;
  }

  /** A varint of at most 32 bits: a tag or a length, nearly always of one byte. */
  uint32(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.#byte();
    return last > 0xf ? this.#overflow() : (value | (last << 28)) >>> 0;
  }

  /** A varint of at most 64 bits. */
  uint64(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value >> 64n === 0n ? value : this.#overflow();
    }
    return this.#overflow();
  }

  #overflow(): never {
    throw new Malformed("a number is too large");
  }

  /** The length of the field at hand, checked to lie before the end. */
  length(): number {
    const length = this.uint32();
    if (length > this.end - this.at) throw new Malformed("truncated");
    return length;
  }

  /** The length of the field at hand, which must be `expected`. */
  exactly(expected: number, field: string): void {
    if (this.length() !== expected) throw new Malformed(`${field} has another length than ${expected}`);
  }

  channelId(): ChannelId {
    this.exactly(HASH_BYTES, "channelId");
    const start = this.at;
    this.at += HASH_BYTES;
    return toHex(this.bytes.subarray(start, this.at)) as ChannelId;
  }

  /** Copies `length` bytes to `target` at `offset`. */
  copyTo(target: Uint8Array, offset: number, length: number, field: string): void {
    this.exactly(length, field);
    const start = this.at;
    for (let i = 0; i < length; i++) target[offset + i] = this.bytes[start + i]!;
    this.at = start + length;
  }

  /** A minimal big-endian amount of at most 32 bytes. */
  amount(field: string): bigint {
    const length = this.length();
    if (length === 0) return 0n;
    if (length > 32 || this.bytes[this.at] === 0) {
      throw new Malformed(`${field} is not a minimal amount of at most 32 bytes`);
    }
    const end = this.at + length;
    // By 48 bits, the most whole bytes that a number holds exactly.
    let value = this.#limb(((length - 1) % 6) + 1);
    while (this.at < end) value = (value << 48n) | this.#limb(6);
    return value;
  }

  #limb(length: number): bigint {
    let limb = 0;
    for (let i = 0; i < length; i++) limb = limb * 256 + this.bytes[this.at++]!;
    return BigInt(limb);
  }

  /** Passes over a field nobody here knows. Groups (obsolete, nested without bound) are refused. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.uint64();
    else if (wireType === 2) this.#pass(this.length());
    else if (wireType === 1) this.#pass(8);
    else if (wireType === 5) this.#pass(4);
    else throw new Malformed("an unknown wire type");
  }

  #pass(length: number): void {
    if (length > this.end - this.at) throw new Malformed("truncated");
    this.at += length;
  }
}

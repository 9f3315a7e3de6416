import { type Address, addressFromBytes, addressToBytes } from "../protocol/address.ts";
import { MAX_UINT64 } from "../protocol/amount.ts";
import { fromMinimalBytes, toMinimalBytes } from "../protocol/bytes.ts";
import { type ChannelId, channelIdFromBytes, channelIdToBytes } from "../protocol/channel.ts";
import { ADDRESS_BYTES, HASH_BYTES, MAX_FIELDS, MAX_NAME_LENGTH, MAX_VALUE_LENGTH } from "./bounds.ts";
import type { Fields } from "./message.ts";

/** Thrown by readers inside a decoder and caught at its edge; never leaves the room. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

/** Exactly `length` bytes, copied: what is kept must not keep the received chunk alive. */
export function readBytes(bytes: Uint8Array, length: number, field: string): Uint8Array {
  if (bytes.length !== length) throw new Malformed(`${field} has ${bytes.length} bytes, not ${length}`);
  return copyOf(bytes);
}

/** Absent as the empty array, else exactly `length` bytes. */
export function readOptionalBytes(bytes: Uint8Array, length: number, field: string): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : readBytes(bytes, length, field);
}

/** A plain copy, also of a Node `Buffer`, whose own `slice` would be a view. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes);
}

export function readChannelId(bytes: Uint8Array): ChannelId {
  if (bytes.length !== HASH_BYTES) throw new Malformed(`channelId has ${bytes.length} bytes`);
  return channelIdFromBytes(bytes);
}

export function readAddress(bytes: Uint8Array, field: string): Address {
  if (bytes.length !== ADDRESS_BYTES) throw new Malformed(`${field} has ${bytes.length} bytes`);
  return addressFromBytes(bytes);
}

export function readAmount(bytes: Uint8Array, field: string): bigint {
  const amount = fromMinimalBytes(bytes);
  if (amount === undefined) throw new Malformed(`${field} is not a minimal amount of at most 32 bytes`);
  return amount;
}

/** A short identifier: letters, digits and `_-./`, so that a hostile name can do nothing to a log or a screen. */
export function readName(text: string, field: string): string {
  if (text.length > MAX_NAME_LENGTH || !/^[A-Za-z0-9_\-./]+$/.test(text)) {
    throw new Malformed(`${field} is not a name`);
  }
  return text;
}

export function readFields(map: ReadonlyMap<string, string>): Fields {
  const entries: [string, string][] = [];
  for (const [name, value] of map) {
    if (value.length > MAX_VALUE_LENGTH) throw new Malformed("a field is too long");
    entries.push([readName(name, "field"), value]);
  }
  // fromEntries defines own properties, so that a field named __proto__ is a field like any other.
  return Object.fromEntries(entries);
}

function writeError(field: string): RangeError {
  return new RangeError(`${field} does not fit its place in a message`);
}

/** A caller that hands over bytes of another length has a bug: what the other side would refuse is never sent. */
export function writeBytes(bytes: Uint8Array, length: number, field: string): Uint8Array {
  if (bytes.length !== length) throw writeError(field);
  return bytes;
}

export function writeOptionalBytes(
  bytes: Uint8Array | undefined,
  length: number,
  field: string,
): Uint8Array | undefined {
  return bytes === undefined ? undefined : writeBytes(bytes, length, field);
}

export function writeUint64(value: bigint, field: string): bigint {
  if (value < 0n || value > MAX_UINT64) throw writeError(field);
  return value;
}

export function writeUint32(value: number, field: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw writeError(field);
  return value;
}

export function writeAmount(value: bigint, field: string): Uint8Array {
  if (value >> 256n !== 0n) throw writeError(field);
  return toMinimalBytes(value);
}

export const writeChannelId = channelIdToBytes;
export const writeAddress = addressToBytes;

/** Fields in the form the other side takes: cut to the bounds rather than refused, since an error must always get out. */
export function writeFields(fields: Fields): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(fields).slice(0, MAX_FIELDS)) {
    map.set(name.slice(0, MAX_NAME_LENGTH), value.slice(0, MAX_VALUE_LENGTH));
  }
  return map;
}

import type { Side } from "../protocol/channel.ts";
import type { Range } from "./store.ts";

/** Keyspaces: the first byte of every key. A number is never given a second meaning. */
export const KEYSPACE = {
  /** The store's own records: commit, identity, loss. */
  meta: 0x01,
  /** Channel id (32) → the channel's record, which begins with its sequence. */
  channel: 0x10,
  /** Channel id (32), payer's side (1), nonce (8) → one update. */
  update: 0x11,
  /** Payment id given by the application (16), channel id (32) → where that payment is. */
  payment: 0x12,
  /** Channel id (32) → a deposit that was promised and not yet made. */
  pledge: 0x13,
  /** Text: chain id, escrow, record's name → the chain watcher's journal. */
  chain: 0x20,
  /** Text: chain id, account, record's name → the transaction publisher's journal. */
  publisher: 0x21,
  /** Namespace, zero byte, key, as UTF-8 → JSON of what stands on the node, see `node/records.ts`. */
  record: 0x30,
  /** Sequence (8) → one happening of the event log, see `node/history/`; sequence 0 is the log's head. */
  event: 0x31,
  /** Time ms (6), channel id (32), payer's side (1), first nonce (8) → last nonce (8) of updates written at that time. */
  paymentTime: 0x32,
  /** Any key of the above → the bytes found there when they failed their checksum. Kept as evidence, never read. */
  quarantine: 0xf0,
} as const;

/** Changes with every commit. */
export const COMMIT_KEY: Uint8Array = Uint8Array.of(KEYSPACE.meta, 0x01);
/** What database this is, and its schema. */
export const IDENTITY_KEY: Uint8Array = Uint8Array.of(KEYSPACE.meta, 0x02);
/** Whether acknowledged data may have been lost, and whether that has been dealt with. */
export const LOSS_KEY: Uint8Array = Uint8Array.of(KEYSPACE.meta, 0x03);

function fixed(name: string, bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${name} has ${bytes.length} bytes, not ${length}`);
  return bytes;
}

function putUint64(key: Uint8Array, offset: number, value: bigint): void {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${value} does not fit in 64 bits`);
  new DataView(key.buffer, key.byteOffset).setBigUint64(offset, value);
}

/** `channel ‖ channelId`. */
export function channelKey(channelId: Uint8Array): Uint8Array {
  const key = new Uint8Array(33);
  key[0] = KEYSPACE.channel;
  key.set(fixed("channel id", channelId, 32), 1);
  return key;
}

/** Every channel record, in the order of the ids. */
export function channelRange(): Range {
  return prefixRange(Uint8Array.of(KEYSPACE.channel));
}

/** The channel id within the key of a channel's record, update or pledge. */
export function channelIdOfKey(key: Uint8Array): Uint8Array {
  return key.slice(1, 33);
}

/** `update ‖ channelId ‖ payer ‖ nonce`: sorted by nonce within the direction in which `payer` pays. */
export function updateKey(channelId: Uint8Array, payer: Side, nonce: bigint): Uint8Array {
  const key = new Uint8Array(42);
  key[0] = KEYSPACE.update;
  key.set(fixed("channel id", channelId, 32), 1);
  key[33] = payer;
  putUint64(key, 34, nonce);
  return key;
}

/** The nonce within the key of an update. */
export function nonceOfUpdateKey(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(34);
}

/** Updates that `payer` signed with `from <= nonce < to`; without `to`, all from `from` on. */
export function updateRange(channelId: Uint8Array, payer: Side, from: bigint, to?: bigint): Range {
  const gte = updateKey(channelId, payer, from);
  const lt = to === undefined ? prefixRange(gte.slice(0, 34)).lt : updateKey(channelId, payer, to);
  return { gte, lt };
}

/** `payment ‖ paymentId ‖ channelId`: the id first, so that it can be looked up without knowing the channel. */
export function paymentKey(paymentId: Uint8Array, channelId: Uint8Array): Uint8Array {
  const key = new Uint8Array(49);
  key[0] = KEYSPACE.payment;
  key.set(fixed("payment id", paymentId, 16), 1);
  key.set(fixed("channel id", channelId, 32), 17);
  return key;
}

/** The places of a payment id, in every channel it was used in. */
export function paymentRange(paymentId: Uint8Array): Range {
  return prefixRange(paymentKey(paymentId, new Uint8Array(32)).subarray(0, 17));
}

/** The channel id within a payment's key. */
export function channelIdOfPaymentKey(key: Uint8Array): Uint8Array {
  return key.slice(17, 49);
}

/** What the keys of one chain journal begin with: `keyspace ‖ chainId/owner/`, behind which the record's name follows. */
export function journalPrefix(keyspace: "chain" | "publisher", chainId: bigint, owner: string): string {
  return `${String.fromCharCode(KEYSPACE[keyspace])}${chainId}/${owner}/`;
}

/** `pledge ‖ channelId`. */
export function pledgeKey(channelId: Uint8Array): Uint8Array {
  const key = new Uint8Array(33);
  key[0] = KEYSPACE.pledge;
  key.set(fixed("channel id", channelId, 32), 1);
  return key;
}

/** Every promised deposit. */
export function pledgeRange(): Range {
  return prefixRange(Uint8Array.of(KEYSPACE.pledge));
}

/** `event ‖ sequence`. */
export function eventKey(sequence: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = KEYSPACE.event;
  putUint64(key, 1, BigInt(sequence));
  return key;
}

/** The sequence within the key of an event. */
export function sequenceOfEventKey(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1));
}

/** Events with `from <= sequence < to`; without `to`, all from `from` on. */
export function eventRange(from: number, to?: number): Range {
  const lt = to === undefined ? prefixRange(Uint8Array.of(KEYSPACE.event)).lt : eventKey(to);
  return { gte: eventKey(from), lt };
}

/** Latest time that fits its six bytes, Unix milliseconds. */
export const MAX_KEY_TIME: number = 2 ** 48 - 1;

/** `paymentTime ‖ time ‖ channelId ‖ payer ‖ nonce`: sorted by time over all channels. */
export function paymentTimeKey(time: number, channelId: Uint8Array, payer: Side, nonce: bigint): Uint8Array {
  const key = new Uint8Array(48);
  key.set(paymentTimePrefix(time));
  key.set(fixed("channel id", channelId, 32), 7);
  key[39] = payer;
  putUint64(key, 40, nonce);
  return key;
}

/** Updates of all channels written at `from <= time < to`, Unix milliseconds. */
export function paymentTimeRange(from: number, to: number): Range {
  return { gte: paymentTimePrefix(from), lt: paymentTimePrefix(to) };
}

function paymentTimePrefix(time: number): Uint8Array {
  const key = new Uint8Array(7);
  const view = new DataView(key.buffer);
  const ms = Math.min(Math.max(Math.trunc(time), 0), MAX_KEY_TIME);
  key[0] = KEYSPACE.paymentTime;
  view.setUint16(1, Math.floor(ms / 2 ** 32));
  view.setUint32(3, ms % 2 ** 32);
  return key;
}

const UTF8 = new TextEncoder();

/** `record ‖ namespace ‖ 0 ‖ key`. */
export function recordKey(namespace: string, key: string): Uint8Array {
  return UTF8.encode(`${String.fromCharCode(KEYSPACE.record)}${namespace}\0${key}`);
}

/** All keys that begin with `prefix`, which must hold a byte below 255. */
export function prefixRange(prefix: Uint8Array): Range {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) throw new RangeError("no key lies beyond this prefix");
  const lt = prefix.slice(0, end);
  lt[end - 1]! += 1;
  return { gte: prefix, lt };
}

/** Byte order, as LevelDB sorts. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A key as a map's key: one character per byte. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

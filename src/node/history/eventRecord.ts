import { type ChannelId, channelIdFromBytes, type Phase, type Side, viewOf } from "../../protocol/index.ts";
import type { IndexedRun } from "./paymentIndex.ts";

/** What others than channels append, as JSON. A number in a record is the position here, behind the two others. */
const TOLD_TYPES = ["dispute", "request", "operation", "approval", "decision", "peer", "warning"] as const;
export type ToldType = (typeof TOLD_TYPES)[number];
export type EventType = "payment" | "channel" | ToldType;

const PAYMENT = 1;
const CHANNEL = 2;
const FIRST_TOLD = 3;

const PHASES: readonly Phase[] = ["opening", "open", "closing", "settled"];

/** Longest JSON of one record: what is told are small facts, and a reader holds a page of them. */
const MAX_DATA_BYTES = 64 * 1024;

const HEAD_BYTES = 7;
const UTF8 = new TextEncoder();

/** Updates `from` to `to` of the direction in which `payer` pays have become final. Their payments are read when told. */
export interface PaymentRecord extends IndexedRun {
  readonly type: "payment";
}

/** A channel entered a phase, or something other than a payment changed what it can carry. */
export interface ChannelRecord {
  readonly type: "channel";
  readonly time: number;
  readonly channelId: ChannelId;
  readonly phase: Phase;
}

/** Whatever a part of the node told, as it gave it. */
export interface ToldRecord {
  readonly type: ToldType;
  readonly time: number;
  readonly data: unknown;
}

export type EventRecord = PaymentRecord | ChannelRecord | ToldRecord;

/** `kind(1) ‖ time(6) ‖ channelId(32) ‖ payer(1) ‖ from(8) ‖ to(8)`. */
export function encodePayments(
  time: number,
  channelId: Uint8Array,
  payer: Side,
  from: bigint,
  to: bigint,
): Uint8Array {
  const bytes = headed(PAYMENT, time, 49);
  const view = viewOf(bytes);
  bytes.set(channelId, HEAD_BYTES);
  bytes[39] = payer;
  view.setBigUint64(40, from);
  view.setBigUint64(48, to);
  return bytes;
}

/** `kind(1) ‖ time(6) ‖ channelId(32) ‖ phase(1)`. */
export function encodeChannel(time: number, channelId: Uint8Array, phase: Phase): Uint8Array {
  const bytes = headed(CHANNEL, time, 33);
  bytes.set(channelId, HEAD_BYTES);
  bytes[39] = PHASES.indexOf(phase);
  return bytes;
}

/** `kind(1) ‖ time(6) ‖ JSON`. Throws `RangeError` for data that is too long to be a fact. */
export function encodeTold(type: ToldType, time: number, data: unknown): Uint8Array {
  const json = UTF8.encode(JSON.stringify(data));
  if (json.length > MAX_DATA_BYTES) throw new RangeError(`an event's data has ${json.length} bytes`);
  const bytes = headed(FIRST_TOLD + TOLD_TYPES.indexOf(type), time, json.length);
  bytes.set(json, HEAD_BYTES);
  return bytes;
}

/** Inverse of the three above; undefined for a kind of a later version. */
export function decodeEvent(bytes: Uint8Array): EventRecord | undefined {
  const view = viewOf(bytes);
  const time = view.getUint16(1) * 2 ** 32 + view.getUint32(3);
  const kind = bytes[0]!;
  if (kind >= FIRST_TOLD) {
    const type = TOLD_TYPES[kind - FIRST_TOLD];
    return type && { type, time, data: JSON.parse(new TextDecoder().decode(bytes.subarray(HEAD_BYTES))) };
  }
  const channelId = channelIdFromBytes(bytes.subarray(HEAD_BYTES, 39));
  if (kind === CHANNEL) return { type: "channel", time, channelId, phase: PHASES[bytes[39]!]! };
  const payer: Side = bytes[39] === 0 ? 0 : 1;
  return {
    type: "payment",
    time,
    channelId,
    payer,
    from: view.getBigUint64(40),
    to: view.getBigUint64(48),
  };
}

/** The type a record tells of, without decoding it. */
export function typeOf(bytes: Uint8Array): EventType | undefined {
  if (bytes[0] === PAYMENT) return "payment";
  return bytes[0] === CHANNEL ? "channel" : TOLD_TYPES[bytes[0]! - FIRST_TOLD];
}

function headed(kind: number, time: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + bodyBytes);
  const view = viewOf(bytes);
  bytes[0] = kind;
  view.setUint16(1, Math.floor(time / 2 ** 32));
  view.setUint32(3, time % 2 ** 32);
  return bytes;
}

import { getUint64, setSafeUint64 } from "./commitRecord.ts";
import { KEYSPACE } from "./keys.ts";
import type { Op } from "./store.ts";

/** A channel record's payload begins with its sequence, 8 bytes big-endian. */
export const CHANNEL_SEQUENCE_BYTES = 8;

/** Writes the sequence at the start of a channel record's payload: 1 when it is first stored, then one more each time. */
export function setChannelSequence(payload: Uint8Array, sequence: number): void {
  setSafeUint64(new DataView(payload.buffer, payload.byteOffset, payload.byteLength), 0, sequence);
}

/** The sequence of a channel record's payload. */
export function channelSequence(payload: Uint8Array): number {
  if (payload.length < CHANNEL_SEQUENCE_BYTES)
    throw new RangeError("a channel record begins with its sequence");
  return getUint64(new DataView(payload.buffer, payload.byteOffset, payload.byteLength), 0);
}

/** How many channel records there are and the sum of their sequences; see commitRecord.ts. */
export interface ChannelTally {
  channels: number;
  channelSequences: number;
}

/**
 * Counts one operation into the tally, before operations of the same key are merged.
 *
 * Every put of a channel record raises that record's sequence by exactly one, from 1; a removal names the sequence
 * it removes. That is all it takes to know the sum without reading: throws on a record that breaks the rule visibly.
 */
export function tally(into: ChannelTally, op: Op): void {
  if (op.key[0] !== KEYSPACE.channel) return;
  if (op.type === "put") {
    const sequence = channelSequence(op.value);
    if (sequence < 1) throw new RangeError("a channel record's first sequence is 1");
    if (sequence === 1) into.channels += 1;
    into.channelSequences += 1;
    return;
  }
  if (op.sequence === undefined) throw new RangeError("removing a channel record must name its sequence");
  into.channels -= 1;
  into.channelSequences -= op.sequence;
}

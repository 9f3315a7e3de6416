import {
  type ChannelId,
  type ChannelState,
  channelIdFromBytes,
  otherSide,
  type Side,
  viewOf,
} from "../../protocol/index.ts";
import { paymentTimeKey } from "../../store/keys.ts";
import type { Op, PutOp } from "../../store/store.ts";

/** Updates `from` to `to`, all written down at `time`, in one batch. */
export interface IndexedRun {
  /** Unix milliseconds. */
  readonly time: number;
  readonly channelId: ChannelId;
  readonly payer: Side;
  readonly from: bigint;
  readonly to: bigint;
}

/** Under the time and the first nonce, the last nonce: a burst of updates costs one record. */
export function runOp(time: number, channelId: Uint8Array, payer: Side, from: bigint, to: bigint): PutOp {
  const value = new Uint8Array(8);
  viewOf(value).setBigUint64(0, to);
  return { type: "put", key: paymentTimeKey(time, channelId, payer, from), value };
}

export function decodeRun(key: Uint8Array, value: Uint8Array): IndexedRun {
  const view = viewOf(key);
  return {
    time: view.getUint16(1) * 2 ** 32 + view.getUint32(3),
    channelId: channelIdFromBytes(key.slice(7, 39)),
    payer: key[39] === 0 ? 0 : 1,
    from: view.getBigUint64(40),
    to: viewOf(value).getBigUint64(0),
  };
}

/** Adds what the change from `before` to `next` wrote down at `time`, if it did. */
export function indexRuns(before: ChannelState, next: ChannelState, time: number, ops: Op[]): void {
  const { idBytes, side } = next;
  if (next.sent.nonce > before.sent.nonce) {
    ops.push(runOp(time, idBytes, side, before.sent.nonce + 1n, next.sent.nonce));
  }
  if (next.received.nonce > before.received.nonce) {
    ops.push(runOp(time, idBytes, otherSide(side), before.received.nonce + 1n, next.received.nonce));
  }
}

import type { ChannelId } from "../../protocol/index.ts";
import { NodeError } from "../error.ts";
import type { IndexedRun } from "./paymentIndex.ts";

/** Where a list going down stands in one direction: behind it come payments of `nonce` below `index`, then older ones. */
export interface Spot {
  readonly nonce: bigint;
  readonly index: number;
}

/** Where a list of one channel goes on, in both directions. */
export interface ChannelSpots {
  readonly sent: Spot;
  readonly received: Spot;
}

/** Where a list over all channels goes on: within a run of the index. */
export interface TimeSpot extends Spot, Omit<IndexedRun, "to"> {}

const NUMBER = "(0|[1-9][0-9]{0,19})";
const CHANNEL = new RegExp(`^c-${NUMBER}-${NUMBER}-${NUMBER}-${NUMBER}$`);
const TIME = new RegExp(`^t-${NUMBER}-(0x[0-9a-f]{64})-([01])-${NUMBER}-${NUMBER}-${NUMBER}$`);

export function channelCursor({ sent, received }: ChannelSpots): string {
  return `c-${sent.nonce}-${sent.index}-${received.nonce}-${received.index}`;
}

export function timeCursor({ time, channelId, payer, from, nonce, index }: TimeSpot): string {
  return `t-${time}-${channelId}-${payer}-${from}-${nonce}-${index}`;
}

/** Throws `cursor_invalid` for what no list of one channel gave. */
export function parseChannelCursor(cursor: string): ChannelSpots {
  const [, sentNonce, sentIndex, receivedNonce, receivedIndex] = CHANNEL.exec(cursor) ?? [];
  if (receivedIndex === undefined) throw invalid(cursor);
  return {
    sent: spotOf(cursor, sentNonce!, sentIndex!),
    received: spotOf(cursor, receivedNonce!, receivedIndex),
  };
}

/** Throws `cursor_invalid` for what no list over all channels gave. */
export function parseTimeCursor(cursor: string): TimeSpot {
  const [, time, channelId, payer, from, nonce, index] = TIME.exec(cursor) ?? [];
  if (index === undefined || Number(time) >= 2 ** 48) throw invalid(cursor);
  return {
    ...spotOf(cursor, nonce!, index),
    time: Number(time),
    channelId: channelId as ChannelId,
    payer: payer === "0" ? 0 : 1,
    from: spotOf(cursor, from!, "0").nonce,
  };
}

function spotOf(cursor: string, nonce: string, index: string): Spot {
  const spot = { nonce: BigInt(nonce), index: Number(index) };
  if (spot.nonce >= 1n << 64n || !Number.isSafeInteger(spot.index)) throw invalid(cursor);
  return spot;
}

function invalid(cursor: string): NodeError {
  return new NodeError({ code: "cursor_invalid", fields: { cursor: cursor.slice(0, 64) } });
}

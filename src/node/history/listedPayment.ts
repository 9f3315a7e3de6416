import type { Address, ChannelState, Transfer, Update } from "../../protocol/index.ts";
import { otherSide, readTransfers, type Side, toHex } from "../../protocol/index.ts";
import type { Payment } from "../payment.ts";
import type { ChannelFacts } from "./channelFacts.ts";

export type Direction = "sent" | "received";

/** A payment of this node's history, named for ever by (channelId, direction, nonce, index). */
export interface ListedPayment extends Payment {
  readonly direction: Direction;
  readonly token: Address;
  /** When this node wrote it down, Unix milliseconds; 0 for one written before times were kept. */
  readonly time: number;
  /** What its owner calls it. */
  readonly label: string | undefined;
  /** Sent: the payee holds it durably, or the chain has paid it. Received ones that are listed always are. */
  readonly final: boolean;
}

export function directionOf({ side }: { readonly side: Side }, payer: Side): Direction {
  return payer === side ? "sent" : "received";
}

export function payerOf({ side }: { readonly side: Side }, direction: Direction): Side {
  return direction === "sent" ? side : otherSide(side);
}

/** The newest nonce that cannot be taken back in the direction in which `payer` pays. */
export function finalThrough(state: ChannelState, payer: Side): bigint {
  if (payer !== state.side) return state.accepted;
  const { settled, close } = state.terms.chain;
  const recorded = settled === undefined ? 0n : (close?.recorded[payer] ?? 0n);
  return recorded > state.acknowledged ? recorded : state.acknowledged;
}

/** One transfer of a stored update. */
export interface Placed {
  readonly facts: ChannelFacts;
  readonly payer: Side;
  readonly update: Update;
  readonly time: number;
  readonly index: number;
  readonly transfer: Transfer;
  readonly final: boolean;
}

export function listed(placed: Placed, label: string | undefined): ListedPayment {
  const { facts, payer, update, time, index, transfer, final } = placed;
  return {
    channelId: facts.channelId,
    direction: directionOf(facts, payer),
    peer: facts.peer,
    token: facts.token,
    nonce: update.proof.nonce,
    index,
    paymentId: toHex(transfer.paymentId),
    amount: transfer.amount,
    reference: transfer.reference === undefined ? undefined : toHex(transfer.reference),
    refund: transfer.refund,
    label,
    time,
    final,
  };
}

/** The transfers of an update with their positions. */
export function* indexed(entries: Uint8Array): Generator<readonly [number, Transfer]> {
  let index = 0;
  for (const transfer of readTransfers(entries)) yield [index++, transfer];
}

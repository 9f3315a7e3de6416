import {
  type Address,
  type ChannelId,
  channelIdToBytes,
  type Keccak256,
  PAYMENT_ID_BYTES,
  REFERENCE_BYTES,
  type Transfer,
  viewOf,
} from "../../protocol/index.ts";
import type { OutgoingOrder } from "../payment.ts";
import type { RefundReason } from "./verdict.ts";

/** Payments of one update that are to be given back, as they are stored. */
export interface StoredRefunds {
  readonly peer: Address;
  readonly refunds: readonly (readonly [index: number, reason: RefundReason])[];
}

/** `channelId/nonce`: sorts by nonce within a channel. */
export function refundKey(channelId: ChannelId, nonce: bigint): string {
  return `${channelId}/${nonce.toString(16).padStart(16, "0")}`;
}

export function parseRefundKey(key: string): { readonly channelId: ChannelId; readonly nonce: bigint } {
  const [channelId, nonce] = key.split("/");
  return { channelId: channelId as ChannelId, nonce: BigInt(`0x${nonce}`) };
}

/** What a refund's reference says of the payment it gives back: `paymentId(16) ‖ nonce(8) ‖ index(8)`. */
export function refundReference(paymentId: Uint8Array, nonce: bigint, index: number): Uint8Array {
  const reference = new Uint8Array(REFERENCE_BYTES);
  reference.set(paymentId);
  const view = viewOf(reference);
  view.setBigUint64(PAYMENT_ID_BYTES, nonce);
  view.setBigUint64(PAYMENT_ID_BYTES + 8, BigInt(index));
  return reference;
}

const DOMAIN = Uint8Array.from("rivulet/refund/1", (char) => char.charCodeAt(0));

/**
 * The order that gives `transfer` back: exactly its amount, on its own channel. Its id follows from the payment's
 * name, so that however often a crash has us make it, the index of paid ids lets it be paid once.
 */
export function refundOrder(
  channelId: ChannelId,
  transfer: Transfer,
  nonce: bigint,
  index: number,
  keccak256: Keccak256,
): OutgoingOrder {
  const reference = refundReference(transfer.paymentId, nonce, index);
  const name = new Uint8Array(DOMAIN.length + 32 + REFERENCE_BYTES);
  name.set(DOMAIN);
  name.set(channelIdToBytes(channelId), DOMAIN.length);
  name.set(reference, DOMAIN.length + 32);
  const id = keccak256(name).subarray(0, PAYMENT_ID_BYTES);
  return { amount: transfer.amount, id, reference, refund: true };
}

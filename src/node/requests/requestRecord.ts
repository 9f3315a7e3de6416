import {
  type Address,
  type ChannelId,
  fromHex,
  type Hex,
  PAYMENT_ID_BYTES,
  toHex,
} from "../../protocol/index.ts";
import type { PaymentRequestTerms } from "../../wire/request.ts";
import type { RequestPayment } from "./requestInfo.ts";

/** Namespaces of the node's records. Keys are payment ids unless something else is said. */
export const NAMESPACE = {
  request: "request",
  /** By payment id: the payment that paid it. Written in the batch of the update that brought it, and never again. */
  paid: "requestPaid",
  /** By expiry and payment id: those that may still be paid, so that starting reads no others. */
  open: "requestOpen",
  /** By time of making and payment id. */
  byTime: "requestByTime",
  /** By hash of the maker's idempotency key: the payment id and what was asked for. */
  byKey: "requestByKey",
  /** By maker, expiry and payment id: every request until its time to be forgotten comes, with its other names. */
  kept: "requestKept",
  /** By maker: how many of `kept` are its own. */
  keptCount: "requestKeptCount",
  /** Up to where requests made before there was `kept` are in it. */
  indexed: "requestIndexed",
  /** One record, once any request was forgotten. */
  forgotten: "requestForgotten",
  /** By payment hash: the channel on which a request of somebody else's is paid. */
  intent: "requestIntent",
  /** By channel and nonce: payments of that update that are to be given back. */
  refund: "refund",
  /** As `refund`: those that can no longer be, since the channel closed first. */
  unrefunded: "refundImpossible",
} as const;

/** A request as it is stored: JSON, so amounts are decimal strings and bytes are hex. */
export interface StoredRequest {
  readonly request: string;
  readonly preimage: Hex;
  readonly secret: Hex;
  readonly paymentHash: Hex;
  readonly token: Address;
  readonly amount?: string;
  readonly description: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly addresses: readonly string[];
  readonly label?: string;
  /** Who made it, see `answererOf`; absent: the node's own application. */
  readonly maker?: string;
  /** Unix seconds. */
  readonly cancelledAt?: number;
}

/** What an idempotency key stands for. */
export interface StoredKey {
  readonly idKey: string;
  readonly content: string;
}

export interface StoredPayment {
  readonly channelId: ChannelId;
  readonly nonce: string;
  readonly index: number;
  readonly amount: string;
  readonly time: number;
}

/** A payment id as a record's key: the first 16 bytes of the payment hash. */
export function paymentIdOf(paymentHash: Uint8Array): Uint8Array {
  return paymentHash.subarray(0, PAYMENT_ID_BYTES);
}

export function idKeyOf(paymentHash: Hex): string {
  return paymentHash.slice(0, 2 + 2 * PAYMENT_ID_BYTES);
}

const TIME_DIGITS = 12;

/** Sorts by time as text does. `time`: seconds or milliseconds, below 2^48. */
export function timeKey(time: number, idKey: string): string {
  return `${time.toString(16).padStart(TIME_DIGITS, "0")}${idKey}`;
}

/** What {@link timeKey} was made of. */
export function splitTimeKey(key: string): { readonly time: number; readonly idKey: string } {
  return { time: Number.parseInt(key.slice(0, TIME_DIGITS), 16), idKey: key.slice(TIME_DIGITS) };
}

export function storedPaymentOf(payment: RequestPayment): StoredPayment {
  return { ...payment, nonce: payment.nonce.toString(), amount: payment.amount.toString() };
}

export function paymentOfStored(stored: StoredPayment): RequestPayment {
  return { ...stored, nonce: BigInt(stored.nonce), amount: BigInt(stored.amount) };
}

/** The terms of a request of ours, as its string says them. */
export function termsOfStored(
  stored: StoredRequest,
  ours: Pick<PaymentRequestTerms, "chainId" | "escrow" | "recipient">,
): PaymentRequestTerms {
  const { token, description, createdAt, expiresAt, addresses } = stored;
  return {
    ...ours,
    token,
    amount: stored.amount === undefined ? undefined : BigInt(stored.amount),
    paymentHash: fromHex(stored.paymentHash),
    paymentSecret: fromHex(stored.secret),
    createdAt,
    expiresAt,
    description,
    addresses,
  };
}

/** The payment id of a transfer as a record's key. */
export function idKeyOfTransfer(paymentId: Uint8Array): string {
  return toHex(paymentId);
}

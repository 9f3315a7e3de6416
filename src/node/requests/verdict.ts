import { timingSafeEqual } from "node:crypto";
import { type Address, fromHex, type Hex, type Transfer } from "../../protocol/index.ts";
import type { StoredRequest } from "./requestRecord.ts";

/** Why a payment that names a request of ours is given back. */
export type RefundReason =
  | "already_paid"
  | "cancelled"
  | "expired"
  | "wrong_token"
  | "wrong_secret"
  | "wrong_amount";

/** A request as incoming payments are judged by it: one object per request, shared by all channels. */
export interface ExpectedPayment {
  readonly paymentHash: Hex;
  readonly secret: Uint8Array;
  /** Undefined: nobody knows any more. */
  readonly token: Address | undefined;
  /** Undefined: any. */
  readonly amount: bigint | undefined;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Set in the turn in which the payment is judged, before it is written: no second one may slip in between. */
  paid: boolean;
  /** Set in the turn in which it is cancelled: nothing that comes later pays it. */
  cancelled: boolean;
  /** Set in the turn in which it is forgotten: as one that has expired, whatever a clock says later. */
  forgotten: boolean;
  /** Who made it, see `answererOf`; undefined: the node's own application. */
  readonly maker: string | undefined;
}

/** A request that is stored, as payments are judged by it. */
export function expectedOf(stored: StoredRequest, paid: boolean): ExpectedPayment {
  return {
    paymentHash: stored.paymentHash,
    secret: fromHex(stored.secret),
    token: stored.token,
    amount: stored.amount === undefined ? undefined : BigInt(stored.amount),
    expiresAt: stored.expiresAt,
    paid,
    cancelled: stored.cancelledAt !== undefined,
    forgotten: false,
    maker: stored.maker,
    createdAt: stored.createdAt,
  };
}

/** What stands for a forgotten request with this secret: nothing pays it. */
export function forgottenWith(secret: Uint8Array): ExpectedPayment {
  const unknown = { token: undefined, amount: undefined, maker: undefined, createdAt: 0, expiresAt: 0 };
  return { ...unknown, paymentHash: "0x", secret, paid: false, cancelled: false, forgotten: true };
}

/** Whether nothing can pay it any more, whatever the time. */
export function isOver({ paid, cancelled, forgotten }: ExpectedPayment): boolean {
  return paid || cancelled || forgotten;
}

/** How late a payment may arrive, seconds: clocks differ, and what was sent in time may have waited for a session. */
export const EXPIRY_GRACE_SECONDS = 60;

/** Undefined: this transfer pays the request. */
export function judge(
  expected: ExpectedPayment,
  transfer: Transfer,
  token: Address,
  /** Unix seconds; undefined if lateness is not to be judged. */
  now: number | undefined,
): RefundReason | undefined {
  if (expected.token !== undefined && token !== expected.token) return "wrong_token";
  const { reference, amount } = transfer;
  // The secret first: whoever does not have the request learns nothing of its state.
  if (reference === undefined || !timingSafeEqual(reference, expected.secret)) return "wrong_secret";
  if (expected.paid) return "already_paid";
  if (expected.cancelled) return "cancelled";
  if (expected.forgotten) return "expired";
  if (now !== undefined && now >= expected.expiresAt + EXPIRY_GRACE_SECONDS) return "expired";
  if (expected.amount !== undefined && amount !== expected.amount) return "wrong_amount";
  return undefined;
}

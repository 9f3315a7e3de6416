import type { Failed, Refused } from "../chain/intent.ts";
import { failureText } from "../protocol/failureText.ts";
import type { Refusal } from "../protocol/index.ts";
import type { RequestRefusalFields } from "../wire/request.ts";

/** Codes of the rooms below, which pass through the node as they are. */
export type { PeerCode } from "../p2p/error.ts";
export type { StoreErrorCode } from "../store/storeError.ts";

/** Failures of the node itself, beside the protocol's refusals, with the fields that explain them. */
export interface NodeFailureFields extends RequestRefusalFields {
  option_invalid: { option: string; reason: string };
  channel_unknown: { channelId: string };
  channel_refused: { reason: string; detail: string };
  channel_exists: { channelId: string };
  peer_offline: { peer: string };
  payment_conflict: { paymentId: string };
  payment_unpaid: { channelId: string; nonce: bigint };
  payments_partly_paid: { paid: bigint; count: bigint };
  queue_full: { limit: bigint };
  chain_stale: { age: bigint; limit: bigint };
  /** Seconds our clock is ahead of the newest block; behind: negative. */
  clock_skew: { skew: bigint; limit: bigint };
  token_unusable: { token: string; reason: string };
  node_stopped: Record<never, never>;
  withdrawal_lapsed: { deadline: bigint };
  withdrawal_refused: { reason: string };
  transaction_failed: { reason: string };
  /** Money would be lost there, or go nowhere. */
  destination_refused: { to: string; reason: string };
  /** Base units of `token`. */
  wallet_insufficient: {
    token: string;
    /** Base units, what is `reserved` for transactions under way not counted. */
    have: bigint;
    need: bigint;
    reserved: bigint;
  };
  /** Wei that would be left in the account, and what disputes of the channels with money of ours could need. */
  gas_reserve_needed: { left: bigint; needed: bigint; channels: bigint };
  send_uncertain: { name: string };
  payout_none: { token: string; account: string };
  payout_refused: { token: string; to: string };
  spending_frozen: { since: bigint; reason: string };
  payee_forbidden: { peer: string; token: string; accessToken: string };
  budget_exceeded: { rule: string; limit: bigint; spent: bigint; amount: bigint };
  limit_exceeded: { rule: string; limit: bigint; spent: bigint; amount: bigint };
  payment_held: { approval: string; state: string; reason: string };
  approval_unknown: { id: string };
  approval_ended: { id: string; state: string };
  update_missing: { channelId: string; nonce: bigint };
  cursor_invalid: { cursor: string };
  cursor_expired: { oldest: string };
  history_off: Record<never, never>;
  payment_unknown: { channelId: string; direction: string; nonce: bigint; index: bigint };
  request_unknown: { paymentHash: string };
  request_conflict: Record<never, never>;
  request_paid: { paymentHash: string };
  requests_full: { limit: bigint };
  request_expired: { expiresAt: bigint };
  request_other_network: { chainId: bigint; escrow: string };
  request_own: Record<never, never>;
  request_amount_needed: Record<never, never>;
  request_amount_differs: { asked: bigint; offered: bigint };
  request_no_channel: { recipient: string; token: string };
}

type NodeFailure = {
  [Code in keyof NodeFailureFields]: { readonly code: Code; readonly fields: NodeFailureFields[Code] };
}[keyof NodeFailureFields];

export type NodeErrorCode = keyof NodeFailureFields | Refusal["code"];

const EXPLANATIONS: Partial<Record<NodeErrorCode, string>> = {
  insufficient_capacity: "the channel cannot carry that much now; nothing was sent",
  channel_not_open: "the channel takes no payments in this phase; nothing was sent",
  channel_stopped: "the channel is being closed cooperatively; nothing was sent",
  channel_behind: "this node lost data and is catching up with its peer; nothing was sent",
  channel_unknown: "no such channel in this node's database",
  channel_refused: "the other side refused the channel; no money moved",
  peer_offline: "the peer is not connected; nothing was sent",
  payment_conflict: "this payment id was already used for another payment",
  payments_partly_paid:
    "some of the payments were made and the others were not; with ids of your own the rest can be paid again safely",
  payment_unpaid: "the channel settled without this payment: the amount stayed yours",
  queue_full: "too many payments wait already; nothing was sent, try again when some are acknowledged",
  chain_stale: "the newest known block is too old to sign payments safely; nothing was sent",
  clock_skew:
    "this machine's clock and the chain's newest block are too far apart to sign payments safely; nothing was sent",
  token_unusable: "no token answers at this address",
  withdrawal_lapsed: "the withdrawal did not reach the chain in time; the amount is back in the channel",
  withdrawal_refused:
    "the other side does not sign the withdrawal; the amount counts as withdrawn until the deadline, then it is back",
  transaction_failed: "the transaction had no effect",
  destination_refused: "nothing is sent there",
  wallet_insufficient:
    "the account does not hold that much beside what transactions under way will take; nothing was sent",
  gas_reserve_needed: "the account would be left with too little gas for disputes; nothing was sent",
  send_uncertain:
    "the database lost data after this was asked for: it may have been sent; look at the account's transactions, and ask under a new name if not",
  payout_none: "the escrow keeps nothing of this token for the account",
  payout_refused:
    "the token or the receiver refuses it again; the escrow keeps it, fetch it later or to another address",
  spending_frozen: "all spending is frozen until it is thawed by hand; nothing was sent",
  payee_forbidden: "the access token may not pay this payee or in this token; nothing was sent",
  budget_exceeded: "the access token's budget does not allow that much; nothing was sent",
  limit_exceeded: "the node's spending limits do not allow that much; nothing was sent",
  payment_held: "the payment is held for a human's approval; nothing was sent, the same key asks again",
  approval_unknown: "there is no such held payment",
  approval_ended: "this held payment was decided about already",
  update_missing: "the database lost this update; totals stay proven, the payments in it cannot be listed",
  cursor_invalid: "this is no cursor of this list",
  cursor_expired:
    "what followed this cursor is no longer kept, or the database was repaired; go on from the oldest",
  history_off: "this node keeps no history; it is an option of the node",
  payment_unknown: "there is no such payment",
  request_prefix: "this is no Rivulet request: those begin with rvt1; nothing was sent",
  request_checksum: "the request was mistyped or cut short: its checksum does not fit; nothing was sent",
  request_malformed: "the request breaks the format; nothing was sent",
  request_version: "the request has a version this node does not know; nothing was sent",
  request_field_unknown:
    "the request has a field this node would have to understand and does not; nothing was sent",
  request_signature_invalid: "the request is not signed by the recipient it names; nothing was sent",
  request_unknown: "this node made no such request, or it expired unpaid long ago and is forgotten",
  request_conflict: "this idempotency key was already used to ask for something else",
  request_paid: "the request is paid",
  requests_full: "too many requests are open: wait until some are paid or expire, or cancel some",
  request_expired: "the request has expired; nothing was sent",
  request_other_network: "the request is for another chain or escrow; nothing was sent",
  request_own: "the request is this node's own; nothing was sent",
  request_amount_needed: "the request leaves the amount to the payer: say how much; nothing was sent",
  request_amount_differs: "the request asks for another amount; nothing was sent",
  request_no_channel: "no open channel with the recipient in this token; nothing was sent",
  node_stopped: "the node stopped; a payment already signed may still be paid, an id tells after the restart",
};

/**
 * A refusal of the node or its ledger: a stable `code` and the `fields` that explain it. What the disk, the chain or a
 * peer's connection throws passes through as it is, with a `code` of its own.
 */
export class NodeError extends Error {
  readonly code: NodeErrorCode;
  readonly fields: Readonly<Record<string, string | bigint>>;

  constructor(failure: NodeFailure | Refusal, options?: ErrorOptions) {
    super(failureText(failure, EXPLANATIONS[failure.code]), options);
    this.name = "NodeError";
    this.code = failure.code;
    this.fields = failure.fields;
  }
}

/** A transaction of ours that had no effect, as the failure of what it was `step` of. */
export function transactionFailed(step: string, outcome: Refused | Failed): NodeError {
  const detail = "revert" in outcome ? `${outcome.code}: ${outcome.revert.error}` : outcome.code;
  return new NodeError({ code: "transaction_failed", fields: { reason: `${step}: ${detail}` } });
}

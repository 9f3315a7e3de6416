import type { ChainErrorCode } from "../chain/error.ts";
import type { NodeErrorCode, PeerCode, StoreErrorCode } from "../node/error.ts";
import type { ApiErrorCode } from "./error.ts";
import { AGAIN, type Meaning, RPC, safe, stake } from "./meaning.ts";
import { CHAIN, PEER, STORE } from "./roomMeanings.ts";

/** Every code the API can answer with. A code without a line below does not compile. */
export type KnownCode = ApiErrorCode | NodeErrorCode | StoreErrorCode | ChainErrorCode | PeerCode;

const LIAR = "Nothing was paid. Do not trade with this peer; look at the node's disputes and log.";
const ASK = "Nothing was sent. Ask the payee for a new request.";
const UPGRADE = "Nothing was sent. Upgrade this node, or ask the payee for an older kind of request.";
const CALL = "Correct the call; see /openapi.json.";

const API: Readonly<Record<ApiErrorCode, Meaning>> = {
  request_invalid: safe(400, "The call is not what this route takes", CALL),
  body_too_large: safe(413, "The body is too large", CALL),
  media_type_unsupported: safe(415, "The body's media type is not taken", "Send application/json."),
  request_timeout: safe(408, "The call did not arrive in time", "Ask again."),
  idempotency_key_missing: safe(400, "This call needs an Idempotency-Key", "Send one key per intent."),
  idempotency_key_invalid: safe(
    400,
    "The Idempotency-Key is none",
    "Send 1 to 255 printable ASCII characters.",
  ),
  idempotency_conflict: safe(
    409,
    "This Idempotency-Key was used for something else",
    "Nothing new was done. Use a new key for a new intent.",
  ),
  unauthenticated: safe(
    401,
    "No valid access token",
    "Send Authorization: Bearer with a token that is valid.",
  ),
  scope_missing: safe(
    403,
    "The access token does not allow this",
    "Use a token with the scope that is named.",
  ),
  grant_refused: safe(
    403,
    "An access token gets no more than the one it is made with",
    "No token was made. Ask for less, or use a token that has more.",
  ),
  too_many_access_tokens: safe(429, "There are too many access tokens", "Revoke some that are not used."),
  host_refused: safe(421, "This node is not served under that host name", "Add the name to the API's hosts."),
  cross_site_refused: safe(403, "Calls of other sites are refused", "Add the origin to the API's origins."),
  rate_limited: safe(429, "Too many calls", "Wait as long as Retry-After says."),
  route_unknown: safe(404, "No such route", "See /openapi.json."),
  method_not_allowed: safe(405, "This route has no such method", "See /openapi.json."),
  not_found: safe(404, "No such thing on this node", "Check the id."),
  not_available: safe(
    501,
    "This node does not offer that",
    "Nothing was done. Check how the node was started.",
  ),
  cursor_invalid: safe(400, "The cursor is none of this list", "Begin without a cursor."),
  cursor_expired: safe(
    410,
    "What the cursor points at is no longer kept",
    "Read the lists anew, then follow from now.",
  ),
  too_many_streams: safe(429, "Too many event streams of one access token", "Close one of them first."),
  too_many_operations: safe(429, "Too many operations are under way", "Wait until some of them end."),
  operation_running: safe(
    409,
    "Another operation of this kind runs on the channel",
    "Wait until it has ended.",
  ),
  operation_uncertain: stake(
    409,
    "It may have been carried out before the database lost data or was restored",
    "Look at the account's transactions and the channels. Only if it is not there, ask under a new Idempotency-Key.",
  ),
  no_channel: safe(404, "No open channel with this peer in this token", "Open a channel first."),
  peer_away: safe(
    504,
    "The peer did not come back in time",
    "Nothing was sent. Ask again with the same key.",
  ),
  payment_pending: stake(
    504,
    "The payment is signed and not yet acknowledged",
    "It is paid as soon as the peer is back. Ask again with the same key; never with a new one.",
  ),
  keystore_password_wrong: safe(
    403,
    "This is not the keystore's password",
    "No backup was made. Give the password that `rivulet start` asks for.",
  ),
  keystore_unusable: safe(
    409,
    "The keystore cannot be checked",
    "No backup was made. Mend what the reason says: the file has to be there, whole, and its owner's alone.",
  ),
  timed_out: safe(504, "It took too long", "Ask again with the same Idempotency-Key."),
  remote_refused: safe(
    400,
    "The API does not listen beyond loopback in the clear",
    "Give certificate and key, or allow it explicitly.",
  ),
  option_invalid: safe(400, "A setting cannot be used", "Correct what is named."),
  address_in_use: safe(409, "Another program listens there", "Choose another port, or stop that program."),
  node_starting: safe(
    503,
    "The node is starting",
    "Nothing was begun. Ask again as Retry-After says; if it waits for the chain, check the RPC servers.",
  ),
  api_stopping: safe(503, "The node is stopping", "Nothing was begun. Ask again once it runs."),
  internal_error: stake(
    500,
    "Something failed that should not",
    "Ask again with the same Idempotency-Key; look for the request id in the node's log.",
  ),
};

const NODE: Readonly<Record<Exclude<NodeErrorCode, ApiErrorCode>, Meaning>> = {
  destination_refused: safe(400, "Nothing is sent there", "Nothing was sent. Give another address."),
  wallet_insufficient: safe(
    409,
    "The account does not hold that much beside what transactions under way will take",
    "Nothing was sent. Send less, wait for what is under way, or withdraw or close channels first.",
  ),
  gas_reserve_needed: safe(
    409,
    "The account would be left with too little gas for disputes",
    "Nothing was sent. Send less, close channels first, or say that it is to be sent all the same (force).",
  ),
  payout_none: safe(
    409,
    "The escrow keeps nothing of this token for the account",
    "Nothing was sent. It may have been fetched before; look at the account and the books.",
  ),
  payout_refused: safe(
    409,
    "The token or the receiver refuses the payout again",
    "The escrow keeps it. Fetch it to another address, or later.",
  ),
  send_uncertain: stake(
    409,
    "It may have been sent before the database lost data",
    "Look at the account's transactions on the chain. Only if it is not there, ask under a new Idempotency-Key.",
  ),
  spending_frozen: safe(403, "Spending is frozen", "Nothing was sent. Find out why, then unfreeze."),
  payee_forbidden: safe(
    403,
    "The access token may not pay this",
    "Nothing was sent. Use a token that allows this payee and this token of money.",
  ),
  budget_exceeded: safe(
    403,
    "The access token's budget is used up",
    "Nothing was sent. Wait, or ask for more.",
  ),
  limit_exceeded: safe(
    403,
    "The node's spending limits do not allow this",
    "Nothing was sent. Wait, or have the limits raised.",
  ),
  payment_held: safe(
    403,
    "The payment waits for approval",
    "Nothing was sent. Have it approved, then ask again with the same Idempotency-Key.",
  ),
  approval_unknown: safe(404, "No such held payment", "List the held payments."),
  approval_ended: safe(409, "This held payment was decided about", "List the held payments."),
  channel_unknown: safe(404, "No such channel on this node", "Check the channel id."),
  channel_refused: safe(
    409,
    "The other side refused the channel",
    "No money moved. The reason says what it wants.",
  ),
  channel_exists: safe(409, "This channel exists already", "Look at the channel."),
  peer_offline: safe(409, "The peer is not connected", "Nothing was sent. Connect to it first."),
  payment_conflict: safe(
    409,
    "This payment id was used for another payment",
    "Nothing new was paid. Use a new key for a new payment.",
  ),
  payment_unpaid: safe(409, "The channel settled without this payment", "The amount stayed yours. Pay anew."),
  payments_partly_paid: stake(
    409,
    "Some of the payments were made and others were not",
    "Ask again with the same ids: the rest is paid, nothing twice.",
  ),
  queue_full: safe(429, "Too many payments wait already", AGAIN),
  clock_skew: safe(
    503,
    "This machine's clock and the chain's differ too far to sign safely",
    "Nothing was sent. Set the machine's clock.",
  ),
  token_unusable: safe(400, "No token answers at this address", "Check the token's address and the chain."),
  history_off: safe(409, "This node keeps no history", "Turn the event log on."),
  payment_unknown: safe(404, "There is no such payment", "Check channel, direction, nonce and index."),
  chain_stale: safe(503, "The newest known block is too old to sign safely", `Nothing was sent. ${RPC}`),
  node_stopped: stake(
    503,
    "The node stopped",
    "What was signed before may still be paid. Ask again with the same key once it runs.",
  ),
  update_missing: safe(
    410,
    "The database lost this update",
    "Totals stay proven; the payments in it cannot be listed.",
  ),
  withdrawal_lapsed: safe(
    409,
    "The withdrawal did not reach the chain in time",
    "The amount is back. Try again.",
  ),
  withdrawal_refused: safe(
    409,
    "The other side does not sign the withdrawal",
    "The amount is back after the deadline. Closing the channel needs no consent.",
  ),
  transaction_failed: safe(
    409,
    "The transaction had no effect",
    "The reason says why; mend that and try again.",
  ),
  request_prefix: safe(
    400,
    "This is no Rivulet request",
    "Ask the payee for a string that begins with rvt1.",
  ),
  request_checksum: safe(400, "The request was mistyped or cut short", "Copy the whole string again."),
  request_malformed: safe(400, "The request breaks the format", ASK),
  request_version: safe(400, "The request has a version this node does not know", UPGRADE),
  request_field_unknown: safe(
    400,
    "The request has a field this node does not know and must not ignore",
    UPGRADE,
  ),
  request_signature_invalid: safe(400, "The request is not signed by the recipient it names", ASK),
  request_unknown: safe(
    404,
    "This node made no such request, or forgot it long after it expired unpaid",
    "Check the payment hash.",
  ),
  request_conflict: safe(
    409,
    "This Idempotency-Key was used to ask for something else",
    "No request was made. Use a new key for a new request.",
  ),
  request_paid: safe(409, "The request is paid", "Nothing: its payment came before."),
  requests_full: safe(
    429,
    "Too many requests are open",
    "Wait until some are paid or expire, or have an admin cancel some.",
  ),
  request_expired: safe(410, "The request has expired", ASK),
  request_other_network: safe(
    409,
    "The request is for another chain or escrow",
    "Nothing was sent. Pay it with a node of that network.",
  ),
  request_own: safe(409, "The request is this node's own", "Nothing was sent. Another node has to pay it."),
  request_amount_needed: safe(
    400,
    "The request leaves the amount to the payer",
    "Nothing was sent. Say how much.",
  ),
  request_amount_differs: safe(
    409,
    "The request asks for another amount",
    "Nothing was sent. Leave the amount out, or ask the payee for a new request.",
  ),
  request_no_channel: safe(
    409,
    "There is no open channel with the recipient in this token",
    "Nothing was sent. Open one with the recipient first.",
  ),

  nonce_fork: safe(502, "The peer told two stories of one update", LIAR),
  nonce_gap: safe(502, "The peer left out an update", LIAR),
  signature_invalid: safe(502, "The peer's signature is bad", LIAR),
  totals_mismatch: safe(502, "The peer's totals do not add up", LIAR),
  capacity_exceeded: safe(502, "The peer paid more than it has", LIAR),
  entries_malformed: safe(502, "The peer sent entries that are none", LIAR),
  lock_limit_exceeded: safe(502, "The peer holds more locks than agreed", LIAR),
  total_overflow: safe(502, "The peer's total is beyond what a proof can hold", LIAR),
  acknowledged_unsent: safe(502, "The peer acknowledged what was never sent", LIAR),
  close_totals_mismatch: safe(502, "The peer's closing totals do not fit", LIAR),
  returned_proof_invalid: safe(502, "The peer returned a proof that is not ours", LIAR),
  credited_stale: safe(502, "The peer told an old announcement as new", LIAR),
  deadline_out_of_bounds: safe(
    409,
    "The deadline is out of bounds",
    "Check both nodes' clocks, then try again.",
  ),
  credit_lowered: safe(409, "The other side's credit changed meanwhile", AGAIN),
  insufficient_capacity: safe(
    409,
    "The channel cannot carry that much",
    "Nothing was sent. Deposit, or pay less.",
  ),
  window_full: safe(429, "Too many updates are unacknowledged", AGAIN),
  channel_not_open: safe(
    409,
    "The channel takes none of this in its phase",
    "Nothing was sent. Look at the channel.",
  ),
  channel_stopped: safe(409, "A cooperative close is under way", "Nothing was sent. Open another one."),
  channel_behind: stake(
    409,
    "This node lost data and catches up with its peer",
    "Nothing was sent. Wait; if it does not end, see the runbook on lost disks.",
  ),
  channel_invalid: safe(400, "No channel can be made of this", "Correct the field that is named."),
  amount_invalid: safe(400, "No such amount can be moved", "Give an amount above zero and below 2^128."),
  withdrawal_pending: safe(
    409,
    "A withdrawal is under way",
    "Ask again once the chain has paid it, or its deadline has passed: half an hour after it was asked for.",
  ),
  withdrawal_exceeds_balance: safe(409, "There is not that much to withdraw", "Withdraw less."),
  withdrawal_below_current: safe(
    409,
    "That much was withdrawn before",
    "Look at the channel, then try again.",
  ),
  updates_outstanding: safe(409, "Updates are not acknowledged yet", AGAIN),
  locks_pending: safe(409, "Locks are pending", AGAIN),
};

export const MEANINGS: Readonly<Record<KnownCode, Meaning>> = {
  ...CHAIN,
  ...PEER,
  ...STORE,
  ...NODE,
  ...API,
};

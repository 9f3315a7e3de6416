import type { ChainErrorCode } from "../chain/error.ts";
import type { NodeErrorCode, PeerCode, StoreErrorCode } from "../node/error.ts";
import type { ApiErrorCode } from "./error.ts";

/** What a code means to whoever called: the HTTP status, what happened, whether money is in danger, what to do. */
export interface Meaning {
  readonly status: number;
  readonly title: string;
  readonly action: string;
  /** Money is in danger, or its whereabouts are unknown, because of this. */
  readonly moneyAtStake: boolean;
}

/** Every code the API can answer with. A code without a line below does not compile. */
export type KnownCode = ApiErrorCode | NodeErrorCode | StoreErrorCode | ChainErrorCode | PeerCode;

const safe = (status: number, title: string, action: string): Meaning => ({
  status,
  title,
  action,
  moneyAtStake: false,
});
const stake = (status: number, title: string, action: string): Meaning => ({
  ...safe(status, title, action),
  moneyAtStake: true,
});

const AGAIN = "Nothing was sent. Ask again later.";
const LIAR = "Nothing was paid. Do not trade with this peer; look at the node's disputes and log.";
const ASK = "Nothing was sent. Ask the payee for a new request.";
const UPGRADE = "Nothing was sent. Upgrade this node, or ask the payee for an older kind of request.";
const CALL = "Correct the call; see /openapi.json.";
const RPC = "Check the RPC endpoint. Until it answers, nothing new is signed and disputes cannot be seen.";
const DISK = "Look at the disk and restart the node before a challenge period runs out.";
const CONNECT = "Check the peer's address and that it runs, then connect again.";
const VERSION = "Connect to a node of the same network and a version that fits.";

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
  request_unknown: safe(404, "This node made no such request", "Check the payment hash."),
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
  channel_stopped: safe(409, "The channel is being closed together", "Nothing was sent. Open another one."),
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
    "Wait until it is paid or its deadline has passed.",
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

const STORE: Readonly<Record<StoreErrorCode, Meaning>> = {
  disk_full: stake(507, "The disk is full", `Free some space. ${DISK}`),
  store_failed: stake(503, "A write to the database failed", DISK),
  store_overloaded: safe(429, "Too much waits to be written", AGAIN),
  store_closed: safe(503, "The database is closed", "The node is stopping. Ask again once it runs."),
  record_damaged: stake(
    500,
    "A record of the database is damaged",
    "Stop and follow the runbook on lost disks.",
  ),
  database_locked: safe(409, "Another process holds the database", "Stop the other node first."),
  database_newer: safe(409, "The database is of a newer version", "Use that version or a newer one."),
  database_foreign: safe(409, "This is no database of Rivulet", "Check the data directory."),
  database_damaged: stake(500, "The database is damaged", "Follow the runbook on lost disks."),
};

const CHAIN: Readonly<Record<ChainErrorCode, Meaning>> = {
  rpc_down: safe(503, "The chain's server does not answer", RPC),
  rpc_rate_limited: safe(503, "The chain's server asks for patience", RPC),
  rpc_too_large: safe(502, "The chain's server does not give that much at once", RPC),
  rpc_error: safe(502, "The chain's server answered with an error", RPC),
  rpc_bad_answer: safe(502, "The chain's server gave a malformed answer", RPC),
  rpc_inconsistent: safe(502, "The chain's server contradicts itself", RPC),
  rpc_lying_head: safe(502, "The chain's server tells of blocks that cannot be", RPC),
  wrong_chain: safe(409, "The server is of another chain", "Set the RPC endpoint of the right chain."),
  contract_missing: safe(
    409,
    "There is no escrow at this address",
    "Check the escrow's address and the chain.",
  ),
  fee_market_missing: safe(409, "The chain has no EIP-1559 base fee", "Use a chain that has one."),
  rpc_url_invalid: safe(400, "A chain server's URL cannot be used", "Correct the endpoint that is named."),
  fee_policy_invalid: safe(
    400,
    "These bounds on fees contradict each other",
    "Correct the field that is named.",
  ),
  journal_damaged: stake(500, "The chain journal is damaged", "Follow the runbook on lost disks."),
};

const PEER: Readonly<Record<Exclude<PeerCode, ApiErrorCode>, Meaning>> = {
  frame_too_large: safe(502, "The peer sent a message that is too large", CONNECT),
  frame_empty: safe(502, "The peer sent an empty message", CONNECT),
  frame_length_malformed: safe(502, "The peer sent a message without an end", CONNECT),
  message_malformed: safe(502, "The peer sent a message that is none", CONNECT),
  address_invalid: safe(
    400,
    "This is no peer's address",
    "Give a multiaddr that ends in /p2p/ and a peer id.",
  ),
  dial_failed: safe(502, "The peer was not reached", CONNECT),
  handshake_timeout: safe(504, "The peer did not answer in time", CONNECT),
  hello_expected: safe(502, "The peer did not say who it is", VERSION),
  hello_unexpected: safe(502, "The peer said twice who it is", VERSION),
  hello_changed: safe(502, "The peer changed who it is", VERSION),
  hello_self: safe(
    409,
    "This is the node itself",
    "Connect to another node; one mnemonic must not run twice.",
  ),
  hello_proof_invalid: safe(502, "The peer did not prove who it is", "Check the peer's address."),
  version_unsupported: safe(409, "The peer speaks another version", VERSION),
  chain_mismatch: safe(409, "The peer is on another chain", VERSION),
  escrow_mismatch: safe(409, "The peer uses another escrow", VERSION),
  peer_limit: safe(503, "No more peers are taken", "Disconnect a peer, or try later."),
  peer_stalled: safe(502, "The peer stopped reading", CONNECT),
  send_queue_overflow: safe(503, "The peer reads too slowly", CONNECT),
  session_duplicate: safe(409, "There is a session with this peer already", "Nothing to do."),
  session_replaced: safe(409, "A newer session took over", "Ask again."),
  session_closed: safe(409, "The session with the peer ended", CONNECT),
  remote_closed: safe(502, "The peer ended the session", CONNECT),
  remote_error: safe(502, "The peer ended the session and said why", "Look at the fields for its reason."),
  connection_lost: safe(502, "The connection to the peer was lost", CONNECT),
  host_stopped: safe(503, "The node is stopping", "Ask again once it runs."),
};

export const MEANINGS: Readonly<Record<KnownCode, Meaning>> = {
  ...CHAIN,
  ...PEER,
  ...STORE,
  ...NODE,
  ...API,
};

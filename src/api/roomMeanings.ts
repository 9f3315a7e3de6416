import type { ChainErrorCode } from "../chain/error.ts";
import type { PeerCode, StoreErrorCode } from "../node/error.ts";
import type { ApiErrorCode } from "./error.ts";
import { AGAIN, type Meaning, RPC, safe, stake } from "./meaning.ts";

const DISK = "Look at the disk and restart the node before a challenge period runs out.";
const CONNECT = "Check the peer's address and that it runs, then connect again.";
const VERSION = "Connect to a node of the same network and a version that fits.";

/** What the disk says. */
export const STORE: Readonly<Record<StoreErrorCode, Meaning>> = {
  disk_full: stake(507, "The disk is full", `Free some space. ${DISK}`),
  store_failed: stake(503, "A write to the database failed", DISK),
  store_overloaded: safe(429, "Too much waits to be written", AGAIN),
  store_closed: safe(503, "The database is closed", "The node is stopping. Ask again once it runs."),
  record_damaged: stake(
    500,
    "A record of the database is damaged",
    "Stop the node and follow the runbook on damaged databases.",
  ),
  database_locked: safe(409, "Another process holds the database", "Stop the other node first."),
  database_newer: safe(409, "The database is of a newer version", "Use that version or a newer one."),
  database_foreign: safe(409, "This is no database of Rivulet", "Check the data directory."),
  database_damaged: stake(500, "The database is damaged", "Follow the runbook on damaged databases."),
};

/** What the chain and its servers say. */
export const CHAIN: Readonly<Record<ChainErrorCode, Meaning>> = {
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
  journal_damaged: stake(500, "The chain journal is damaged", "Follow the runbook on damaged databases."),
};

/** What connections with peers say. */
export const PEER: Readonly<Record<Exclude<PeerCode, ApiErrorCode>, Meaning>> = {
  frame_too_large: safe(502, "The peer sent a message that is too large", CONNECT),
  frame_empty: safe(502, "The peer sent an empty message", CONNECT),
  frame_length_malformed: safe(502, "The peer sent a message without an end", CONNECT),
  message_malformed: safe(502, "The peer sent a message that is none", CONNECT),
  address_invalid: safe(
    400,
    "This is no peer's address",
    "Give a multiaddr that ends in /p2p/ and a peer id.",
  ),
  listen_failed: safe(409, "The node cannot listen for peers there", "Choose another peers.listen."),
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

import { failureText } from "../protocol/failureText.ts";
import type { FrameFault } from "../wire/frame.ts";
import type { Fields } from "../wire/message.ts";

/**
 * Why a peer was not reached or a session ended.
 *
 * Local ones are said to the other side as `Error` where it can still hear; `remote_error` is what the other side
 * said, with its own code in `fields.code`.
 */
export type PeerCode =
  | FrameFault
  | "message_malformed"
  | "address_invalid"
  | "dial_failed"
  | "handshake_timeout"
  | "hello_expected"
  | "hello_unexpected"
  | "hello_changed"
  | "hello_self"
  | "hello_proof_invalid"
  | "version_unsupported"
  | "chain_mismatch"
  | "escrow_mismatch"
  | "peer_limit"
  | "peer_stalled"
  | "send_queue_overflow"
  | "session_duplicate"
  | "session_replaced"
  | "session_closed"
  | "remote_closed"
  | "remote_error"
  | "connection_lost"
  | "host_stopped"
  | "listen_failed"
  | "internal_error";

/** What happened, and what to do about it. */
const EXPLANATIONS: Readonly<Record<PeerCode, string>> = {
  frame_too_large:
    "the peer announced a larger message than any may be: it is broken, or speaks another protocol",
  frame_empty: "the peer sent a message of no bytes: it is broken, or speaks another protocol",
  frame_length_malformed: "the peer sent a length that is none: it is broken, or speaks another protocol",
  message_malformed:
    "the peer sent a message that cannot be read: it is broken, or runs an incompatible version",
  address_invalid: "this is not an address of a peer: it looks like /ip4/203.0.113.7/tcp/9740/p2p/12D3Koo…",
  listen_failed:
    "this node cannot listen for peers there: another program does, or it is no address of this machine",
  dial_failed:
    "the peer could not be reached: check that its address is right, it is running, and no firewall is in between",
  handshake_timeout:
    "the peer did not prove who it is in time: it is overloaded, or not a Rivulet node; try again",
  hello_expected: "the peer said something before it had said who it is: it is broken, or not a Rivulet node",
  hello_unexpected: "the peer said who it is at the wrong moment: it is broken",
  hello_changed: "the peer said two different things about itself in one handshake: it is broken, or lying",
  hello_self:
    "the peer has this node's own signer: this is its own address, or one mnemonic runs twice, which loses money",
  hello_proof_invalid:
    "the peer did not prove that it speaks for the signer it names: do not trust this address",
  version_unsupported:
    "the peer speaks no version of the protocol that this node speaks: update the older one",
  chain_mismatch: "the peer is on another chain: compare the chain id in both configurations",
  escrow_mismatch: "the peer uses another escrow contract: compare the escrow address in both configurations",
  peer_limit: "there is no place for another peer now: try again later, or disconnect one",
  peer_stalled:
    "the peer took nothing of what was sent for too long; what was unsent is sent again on the next connection",
  send_queue_overflow:
    "more waited for the peer than may; what was unsent is sent again on the next connection",
  session_duplicate: "both sides connected at once and another connection was kept: nothing is wrong",
  session_replaced: "a newer connection with the same peer took this one's place: nothing is wrong",
  session_closed: "this node closed the connection",
  remote_closed: "the peer closed the connection; it is connected again when it is back",
  remote_error: "the peer ended the connection for the reason it gives as a code",
  connection_lost: "the connection broke; a kept peer is connected again by itself",
  host_stopped: "this node is stopping and meets no peers",
  internal_error: "this node failed at what the peer sent; the cause is in its log",
};

/** What a stranger's text could do to a terminal or a log. */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/gu;

/** A coded failure of this room. `code` may also be one the node closed a session with. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  readonly code: PeerCode | (string & {});
  readonly fields: Fields;

  constructor(code: PeerCode | (string & {}), fields: Fields = {}, options?: ErrorOptions) {
    const text = failureText({ code, fields }, isExplained(code) ? EXPLANATIONS[code] : undefined);
    super(text.replace(UNPRINTABLE, "?"), options);
    this.code = code;
    this.fields = fields;
  }
}

function isExplained(code: string): code is PeerCode {
  return Object.hasOwn(EXPLANATIONS, code);
}

/** What somebody threw, as text for a field. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}

/** What libp2p says of the addresses on which it could not listen, each with the first line of its reason. */
export function listenFailure(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause.name !== "UnsupportedListenAddressesError") return cause;
  const lines = cause.message.split("\n").map((line) => line.trim());
  const reasons = lines.filter((line) => line.startsWith("/"));
  return new PeerError("listen_failed", { reason: reasons.join(", ") }, { cause });
}

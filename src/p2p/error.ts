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
  | "internal_error";

/** A coded failure of this room. `code` may also be one the node closed a session with. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  readonly code: PeerCode | (string & {});
  readonly fields: Fields;

  constructor(code: PeerCode | (string & {}), fields: Fields = {}, options?: ErrorOptions) {
    const details = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
    super([code, ...details].join(" "), options);
    this.code = code;
    this.fields = fields;
  }
}

/** What somebody threw, as text for a field. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}

/**
 * Every expected failure of the protocol, with the fields that explain it. Values are strings or bigints so that
 * each edge can render them (wire error, problem document, exit code) without knowing the code.
 */
export interface RefusalFields {
  // The counterparty lied or sent what no honest node sends.
  nonce_fork: { nonce: bigint };
  nonce_gap: { expected: bigint; received: bigint };
  signature_invalid: { nonce: bigint };
  totals_mismatch: { nonce: bigint; field: "transferred" | "locked" | "locksRoot" | "history" };
  capacity_exceeded: { available: bigint; needed: bigint };
  entries_malformed: { offset: bigint; reason: string };
  lock_limit_exceeded: { limit: bigint };
  total_overflow: { nonce: bigint };
  acknowledged_unsent: { nonce: bigint; sent: bigint };
  close_totals_mismatch: { transferred0: bigint; transferred1: bigint };
  returned_proof_invalid: { nonce: bigint };
  credited_stale: { sequence: bigint };

  // Nobody lied, yet it cannot be done now.
  /** Two honest nodes may know different newest blocks, or forget a lapsed signature at different moments. */
  deadline_out_of_bounds: { deadline: bigint; latest: bigint };
  credit_lowered: { available: bigint; needed: bigint };
  insufficient_capacity: { available: bigint; needed: bigint };
  window_full: { limit: bigint };
  channel_not_open: { phase: string };
  channel_stopped: Record<never, never>;
  channel_behind: { nonce: bigint };
  channel_invalid: { field: string };
  amount_invalid: { amount: bigint };
  withdrawal_pending: { deadline: bigint };
  withdrawal_exceeds_balance: { available: bigint; total: bigint };
  withdrawal_below_current: { current: bigint; total: bigint };
  updates_outstanding: { nonce: bigint; acknowledged: bigint };
  locks_pending: { locked: bigint };
}

export type RefusalCode = keyof RefusalFields;

/** A coded refusal: `code` says what, `fields` say with which numbers. */
export type Refusal = {
  [Code in RefusalCode]: { readonly ok: false; readonly code: Code; readonly fields: RefusalFields[Code] };
}[RefusalCode];

export function refuse<Code extends RefusalCode>(code: Code, fields: RefusalFields[Code]): Refusal {
  return { ok: false, code, fields } as Refusal;
}

/** The codes that only a lying or broken counterparty causes: answered with `Error` and the end of the stream. */
const LIES: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  "nonce_fork",
  "nonce_gap",
  "signature_invalid",
  "totals_mismatch",
  "capacity_exceeded",
  "entries_malformed",
  "lock_limit_exceeded",
  "total_overflow",
  "acknowledged_unsent",
  "close_totals_mismatch",
  "returned_proof_invalid",
  "credited_stale",
]);

export function isLie(refusal: Refusal): boolean {
  return LIES.has(refusal.code);
}

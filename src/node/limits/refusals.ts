/** The gate's refusals that nobody waits for: nothing was signed, and nothing will be unless it is asked for again. */
export const GATE_REFUSALS = [
  "budget_exceeded",
  "limit_exceeded",
  "payee_forbidden",
  "spending_frozen",
  // An access token that ended while its payment waited.
  "unauthenticated",
] as const;

/** A channel's refusals after which nothing was sent for certain. Every other failure leaves the amount counted as spent. */
export const UNSENT: ReadonlySet<string> = new Set([
  "amount_invalid",
  "chain_stale",
  "channel_behind",
  "channel_not_open",
  "channel_stopped",
  "channel_unknown",
  "clock_skew",
  "insufficient_capacity",
  "option_invalid",
  "payment_conflict",
  "payment_unpaid",
  "peer_offline",
  "queue_full",
]);

/** What a payment under way counts for. */
export interface Held {
  /** It certainly was not made. */
  release(): void;
}

/** Money of the account that was let leave. */
export interface Admitted extends Held {
  /** Throws once what let it leave no longer does: the brake was pulled, or the spender has ended. */
  assertStillAllowed(): void;
}

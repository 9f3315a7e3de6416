/** Bounds of signed and stored quantities (contract: deposits and withdrawals 104 bits, transferred and claimed totals 128). */
export const MAX_UINT64 = (1n << 64n) - 1n;
export const MAX_DEPOSIT = (1n << 104n) - 1n;

/** Nodes never sign or accept a proof whose transferred + locked reaches this: the escrow stores totals in 128 bits. */
export const PROOF_TOTAL_LIMIT = 1n << 128n;

/** An amount in the token's base unit. */
export type Amount = bigint;

/** Unix seconds or a duration in seconds, as signed data and the chain count them. */
export type Seconds = bigint;

export function maxAmount(a: Amount, b: Amount): Amount {
  return a > b ? a : b;
}

export function minAmount(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}

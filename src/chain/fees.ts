import { ChainError } from "./error.ts";

/** EIP-1559 fees of one transaction, wei per gas. */
export interface Fees {
  readonly maxFee: bigint;
  /** At most `maxFee`. */
  readonly priority: bigint;
}

/** What the chain asks at present, wei per gas. */
export interface FeeMarket {
  readonly baseFee: bigint;
  readonly priority: bigint;
}

/** How much may be paid, and how soon more is offered. Fees in wei per gas. */
export interface FeePolicy {
  /** Most to pay for a transaction that can wait. */
  readonly ceiling: bigint;
  /** Most to pay in the moment of the deadline; the ceiling rises to it in a straight line. */
  readonly urgentCeiling: bigint;
  /** Seconds before the deadline at which the ceiling begins to rise. */
  readonly urgencySeconds: number;
  /** Most milliseconds an unmined transaction waits before more is offered. */
  readonly bumpAfterMs: number;
  /** Bounds on the priority fee, whatever the server proposes. */
  readonly minPriority: bigint;
  readonly maxPriority: bigint;
}

const GWEI = 1_000_000_000n;

export const DEFAULT_FEE_POLICY: FeePolicy = {
  ceiling: 200n * GWEI,
  urgentCeiling: 2_000n * GWEI,
  urgencySeconds: 6 * 3600,
  bumpAfterMs: 60_000,
  minPriority: 1_000_000n,
  maxPriority: 50n * GWEI,
};

/** No pool takes replacements faster than blocks come. */
const MIN_BUMP_MS = 1_000;

/**
 * The default policy with `changes`. A ceiling above the default urgent one lifts that one too; a ceiling below the
 * default priority bounds lowers them. Throws `fee_policy_invalid`.
 */
export function feePolicyOf(changes: Partial<FeePolicy> = {}): FeePolicy {
  const given = { ...DEFAULT_FEE_POLICY, ...changes };
  for (const field of ["ceiling", "urgentCeiling", "minPriority", "maxPriority"] as const) {
    const least = field === "minPriority" ? 0n : 1n;
    if (typeof given[field] !== "bigint" || given[field] < least)
      throw invalid(field, "wei per gas, as a bigint above zero");
  }
  const { urgencySeconds, bumpAfterMs, ceiling } = given;
  if (!(Number.isSafeInteger(urgencySeconds) && urgencySeconds > 0))
    throw invalid("urgencySeconds", "whole seconds above zero");
  if (!(Number.isSafeInteger(bumpAfterMs) && bumpAfterMs >= MIN_BUMP_MS)) {
    throw invalid("bumpAfterMs", `whole milliseconds, at least ${MIN_BUMP_MS}`);
  }
  const policy = {
    ...given,
    urgentCeiling: changes.urgentCeiling ?? max(ceiling, given.urgentCeiling),
    maxPriority: changes.maxPriority ?? min(ceiling, given.maxPriority),
    minPriority: changes.minPriority ?? min(ceiling, given.minPriority),
  };
  if (policy.urgentCeiling < ceiling) throw invalid("urgentCeiling", "not below the ceiling");
  if (policy.minPriority > policy.maxPriority) throw invalid("minPriority", "not above maxPriority");
  if (policy.maxPriority > ceiling) throw invalid("maxPriority", "not above the ceiling");
  return policy;
}

function invalid(field: keyof FeePolicy, reason: string): ChainError {
  return new ChainError({ code: "fee_policy_invalid", field, reason });
}

/** Offers made before a deadline however little time is left: a tenth of the rest each. */
const OFFERS_TO_DEADLINE = 10;

/** The most to pay with `remaining` seconds to the deadline (undefined: none; negative: passed). */
export function ceilingAt(policy: FeePolicy, remaining: number | undefined): bigint {
  const { ceiling, urgentCeiling, urgencySeconds } = policy;
  // After the deadline the transaction can only revert: nothing more is offered for it.
  if (remaining === undefined || remaining < 0 || remaining >= urgencySeconds) return ceiling;
  const gone = BigInt(Math.floor(((urgencySeconds - remaining) / urgencySeconds) * 1_000));
  return ceiling + ((urgentCeiling - ceiling) * gone) / 1_000n;
}

/** Milliseconds an offer stands before the next one. */
export function bumpDelayMs(policy: FeePolicy, remaining: number | undefined): number {
  if (remaining === undefined || remaining < 0) return policy.bumpAfterMs;
  const share = (remaining * 1000) / OFFERS_TO_DEADLINE;
  return Math.max(MIN_BUMP_MS, Math.min(policy.bumpAfterMs, share));
}

/** The first offer: twice the base fee outlasts six full blocks (EIP-1559 raises it by at most an eighth each). */
export function firstFees(policy: FeePolicy, market: FeeMarket, ceiling: bigint): Fees {
  const priority = clamp(market.priority, policy.minPriority, policy.maxPriority);
  const maxFee = min(2n * market.baseFee + priority, ceiling);
  return { maxFee, priority: min(priority, maxFee) };
}

/** A replacement that every pool takes (both fields up by an eighth at least), or undefined when the ceiling forbids it. */
export function bumpedFees(
  policy: FeePolicy,
  previous: Fees,
  market: FeeMarket,
  ceiling: bigint,
): Fees | undefined {
  const least = { maxFee: raised(previous.maxFee), priority: raised(previous.priority) };
  if (least.maxFee > ceiling) return undefined;
  const wanted = firstFees(policy, market, ceiling);
  const maxFee = max(least.maxFee, wanted.maxFee);
  return { maxFee, priority: min(maxFee, max(least.priority, wanted.priority)) };
}

/** Up by an eighth, rounded up: geth asks 10 %, others 12.5 %. */
function raised(fee: bigint): bigint {
  return fee + (fee + 7n) / 8n + 1n;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return max(low, min(value, high));
}

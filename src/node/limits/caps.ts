import type { Address } from "../../protocol/index.ts";

/** Most that may be spent in one token; base units. What is absent is not limited. Periods slide. */
export interface Caps {
  readonly token: Address;
  readonly perPayment?: bigint | undefined;
  readonly perHour?: bigint | undefined;
  readonly perDay?: bigint | undefined;
  /** 30 days. */
  readonly perMonth?: bigint | undefined;
}

/** What an access token may spend of one token of money. */
export interface Budget extends Caps {
  /** Ever. */
  readonly total?: bigint | undefined;
}

export type Period = "perHour" | "perDay" | "perMonth";

const HOUR = 3_600_000;

/** Milliseconds. */
export const SPANS: Readonly<Record<Period, number>> = {
  perHour: HOUR,
  perDay: 24 * HOUR,
  perMonth: 30 * 24 * HOUR,
};

export const PERIODS: readonly Period[] = ["perHour", "perDay", "perMonth"];

/** What was spent in each period and ever. */
export type Spent = Readonly<Record<Period | "total", bigint>>;

export const NOTHING_SPENT: Spent = { perHour: 0n, perDay: 0n, perMonth: 0n, total: 0n };

/** A rule that forbids a payment, with what it allows and what had been spent before. */
export interface Trip {
  readonly rule: "perPayment" | Period | "total";
  readonly limit: bigint;
  readonly spent: bigint;
}

/** The first rule of `caps` that `amount` more would break. */
export function tripOf(caps: Budget, spent: Spent, amount: bigint): Trip | undefined {
  if (caps.perPayment !== undefined && amount > caps.perPayment) {
    return { rule: "perPayment", limit: caps.perPayment, spent: 0n };
  }
  for (const rule of [...PERIODS, "total"] as const) {
    const limit = caps[rule];
    if (limit !== undefined && spent[rule] + amount > limit) return { rule, limit, spent: spent[rule] };
  }
  return undefined;
}

/** Whether anything spent must be remembered for these caps. */
export function needsMemory(caps: Budget): boolean {
  return PERIODS.some((period) => caps[period] !== undefined) || caps.total !== undefined;
}

/** The tightest of the caps that count more than one payment. */
export function tightest(caps: Budget): bigint | undefined {
  let least: bigint | undefined;
  for (const rule of [...PERIODS, "total"] as const) {
    const cap = caps[rule];
    if (cap !== undefined && (least === undefined || cap < least)) least = cap;
  }
  return least;
}

/** The caps of a budget, and of the node's or a peer's limits, by name. */
export const BUDGET_CAPS = ["perPayment", "perHour", "perDay", "perMonth", "total"] as const;
export const LIMIT_CAPS = ["perPayment", "perHour", "perDay", "perMonth", "perChannel"] as const;

/** Those of `names` that are set, as decimal strings: JSON has no bigints. */
export function capsAsText<Name extends string>(
  names: readonly Name[],
  caps: { readonly [Cap in Name]?: bigint | undefined },
): { readonly [Cap in Name]?: string } {
  const set = names.filter((name) => caps[name] !== undefined);
  return Object.fromEntries(set.map((name) => [name, `${caps[name]}`])) as { [Cap in Name]?: string };
}

/** Inverse of {@link capsAsText}. */
export function capsOfText<Name extends string>(
  names: readonly Name[],
  texts: { readonly [Cap in Name]?: string | undefined },
): { readonly [Cap in Name]?: bigint } {
  const set = names.filter((name) => texts[name] !== undefined);
  return Object.fromEntries(set.map((name) => [name, BigInt(texts[name]!)])) as { [Cap in Name]?: bigint };
}

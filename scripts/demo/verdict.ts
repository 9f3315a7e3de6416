import type { Asset, Name } from "./orders.ts";
import type { BookTotals } from "./tally.ts";

/** What the applications put under one channel, by owner. Base units. */
export type Deposits = Readonly<Record<Name, bigint>>;

/** What each application knows about its own money. Base units; `wei` for the native coin. */
export interface Purse {
  /** Before the first channel was opened. */
  readonly before: Readonly<Record<Asset, bigint>>;
  /** Gas paid, wei, by the chain's receipts. */
  readonly gasPaid: bigint;
}

/** What the chain says once everything is settled. Undefined: it says nothing, which is never right. */
export interface ChainFacts {
  readonly deposits: Readonly<Record<Asset, Partial<Deposits>>>;
  readonly payouts: Readonly<Record<Asset, Partial<Deposits>>>;
  readonly balances: Readonly<Record<Name, Readonly<Record<Asset, bigint>>>>;
  /** What is left in the escrow. */
  readonly escrow: Readonly<Record<Asset, bigint>>;
}

/** One line of the final table. */
export interface Check {
  readonly what: string;
  readonly asset: Asset;
  readonly expected: bigint;
  readonly chain: bigint | undefined;
  readonly ok: boolean;
}

export interface Verdict {
  readonly checks: readonly Check[];
  /** In what the applications contradict each other. */
  readonly problems: readonly string[];
  readonly ok: boolean;
}

export const ASSETS: readonly Asset[] = ["native", "token"];
export const NAMES: readonly Name[] = ["alice", "bob"];

export interface Evidence {
  /** Of the tally: what applications received, and in what they disagree with what was sent. */
  readonly totals: readonly BookTotals[];
  readonly problems: readonly string[];
  readonly deposits: Readonly<Record<Asset, Deposits>>;
  readonly purses: Readonly<Record<Name, Purse>>;
  readonly facts: ChainFacts;
}

/** Compares what the applications sent and received with what the chain says, to the last base unit. */
export function judge({ totals, problems, deposits, purses, facts }: Evidence): Verdict {
  const checks: Check[] = [];
  const check = (what: string, asset: Asset, expected: bigint, chain: bigint | undefined) =>
    checks.push({ what, asset, expected, chain, ok: chain === expected });
  for (const asset of ASSETS) {
    for (const name of NAMES) {
      check(`${name} deposited`, asset, deposits[asset][name], facts.deposits[asset][name]);
      const due = deposits[asset][name] + gained(totals, asset, name);
      check(`${name} was paid out`, asset, due, facts.payouts[asset][name]);
    }
  }
  for (const name of NAMES) {
    for (const asset of ASSETS) {
      const { before, gasPaid } = purses[name];
      const due = before[asset] + gained(totals, asset, name) - (asset === "native" ? gasPaid : 0n);
      check(`${name}'s account`, asset, due, facts.balances[name][asset]);
    }
  }
  for (const asset of ASSETS) check("left in the escrow", asset, 0n, facts.escrow[asset]);
  return { checks, problems, ok: problems.length === 0 && checks.every(({ ok }) => ok) };
}

/** What the demo's process ends with: 0 only if all is as the applications say. */
export function exitCodeOf({ ok }: Verdict): 0 | 1 {
  return ok ? 0 : 1;
}

/** Received minus sent by one application on one channel; below zero if it paid more. */
function gained(totals: readonly BookTotals[], asset: Asset, name: Name): bigint {
  let sum = 0n;
  for (const { book, receivedAmount, paidAmount } of totals) {
    if (book.asset !== asset) continue;
    sum += book.payer === name ? -paidAmount : receivedAmount;
  }
  return sum;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Asset, Book, Name } from "../../../scripts/demo/orders.ts";
import type { BookTotals } from "../../../scripts/demo/tally.ts";
import {
  ASSETS,
  type ChainFacts,
  type Evidence,
  exitCodeOf,
  judge,
  NAMES,
} from "../../../scripts/demo/verdict.ts";

const DEPOSIT = 10n ** 20n;
const PURSE = 10n ** 21n;

type Paid = Readonly<Record<Asset, Readonly<Record<Name, bigint>>>>;

function totalsOf(paid: Paid): BookTotals[] {
  return ASSETS.flatMap((asset, a) =>
    NAMES.map((payer, b) => {
      const book: Book = { number: a * 2 + b, asset, payer, run: "0".repeat(16), unit: 1n };
      const amount = paid[asset][payer];
      return { book, ordered: 1, paid: 1, paidAmount: amount, received: 1, receivedAmount: amount };
    }),
  );
}

/** What an honest chain shows of these payments: written out by hand, not with the code under test. */
function honest(paid: Paid, gasPaid: Readonly<Record<Name, bigint>>): Evidence {
  const payouts = (asset: Asset) => ({
    alice: DEPOSIT - paid[asset].alice + paid[asset].bob,
    bob: DEPOSIT - paid[asset].bob + paid[asset].alice,
  });
  const native = payouts("native");
  const token = payouts("token");
  const facts: ChainFacts = {
    deposits: { native: { alice: DEPOSIT, bob: DEPOSIT }, token: { alice: DEPOSIT, bob: DEPOSIT } },
    payouts: { native, token },
    balances: {
      alice: { native: PURSE - DEPOSIT + native.alice - gasPaid.alice, token: PURSE - DEPOSIT + token.alice },
      bob: { native: PURSE - DEPOSIT + native.bob - gasPaid.bob, token: PURSE - DEPOSIT + token.bob },
    },
    escrow: { native: 0n, token: 0n },
  };
  const before = { native: PURSE, token: PURSE };
  return {
    totals: totalsOf(paid),
    problems: [],
    deposits: { native: { alice: DEPOSIT, bob: DEPOSIT }, token: { alice: DEPOSIT, bob: DEPOSIT } },
    purses: { alice: { before, gasPaid: gasPaid.alice }, bob: { before, gasPaid: gasPaid.bob } },
    facts,
  };
}

const PAID: Paid = { native: { alice: 700n, bob: 30n }, token: { alice: 5n, bob: 11n } };
const GAS = { alice: 123n, bob: 45n };

/** Every bigint of a structure, as a function that makes a copy with it changed by `change`. */
function tamperings(
  value: unknown,
  path: readonly string[] = [],
): { path: string; copy: (root: unknown, change: bigint) => unknown }[] {
  if (typeof value === "bigint")
    return [{ path: path.join("."), copy: (root, change) => changed(root, path, change) }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => tamperings(inner, [...path, key]));
}

function changed(value: unknown, [key, ...rest]: readonly string[], change: bigint): unknown {
  if (key === undefined) return (value as bigint) + change;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[key] = changed(copy[key], rest, change);
  return copy;
}

describe("the verdict", () => {
  it("is good, and the exit code 0, when the chain paid what the applications sent and received", () => {
    const amount = fc.bigInt({ min: 0n, max: DEPOSIT });
    const pair = fc.record({ alice: amount, bob: amount });
    fc.assert(
      fc.property(fc.record({ native: pair, token: pair }), pair, (paid, gas) => {
        const verdict = judge(honest(paid, gas));
        expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([]);
        expect(verdict.checks).toHaveLength(14);
        expect(exitCodeOf(verdict)).toBe(0);
      }),
    );
  });

  const { totals, deposits, purses, facts } = honest(PAID, GAS);
  const evidence = { totals, deposits, purses, facts };
  // The unit of price is no claim about money that moved.
  const places = tamperings(evidence).filter(({ path }) => !path.endsWith(".unit"));

  it.each(places)("is bad, and the exit code 1, when $path is off by one base unit", ({ path, copy }) => {
    for (const change of [1n, -1n]) {
      const tampered = copy(evidence, change) as typeof evidence;
      const verdict = judge({ ...tampered, problems: [] });
      expect([path, exitCodeOf(verdict)]).toEqual([path, 1]);
    }
  });

  it("is bad when the applications contradict each other, though every amount is right", () => {
    const verdict = judge({ ...honest(PAID, GAS), problems: ["payment 01 was paid and lost"] });
    expect(verdict.checks.every(({ ok }) => ok)).toBe(true);
    expect(exitCodeOf(verdict)).toBe(1);
  });

  it("is bad when the chain says nothing of a deposit or a payout", () => {
    const right = honest(PAID, GAS);
    for (const silent of ["deposits", "payouts"] as const) {
      const verdict = judge({ ...right, facts: { ...right.facts, [silent]: { native: {}, token: {} } } });
      expect(verdict.checks.filter(({ ok }) => !ok)).toHaveLength(4);
      expect(exitCodeOf(verdict)).toBe(1);
    }
  });
});

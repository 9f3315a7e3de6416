import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Book, orderAmount, orderId } from "../../../scripts/demo/orders.ts";
import { Tally } from "../../../scripts/demo/tally.ts";

const BOOKS: readonly Book[] = [
  { number: 0, asset: "native", payer: "alice", run: "00112233aabbccdd", unit: 333n },
  { number: 1, asset: "native", payer: "bob", run: "00112233aabbccdd", unit: 333n },
];
const [HERS, HIS] = BOOKS as [Book, Book];

/** A tally of ten orders in her book, all paid and, but for those in `except`, received. */
function tallied({ except = [] as readonly number[], unpaid = [] as readonly number[] } = {}): Tally {
  const tally = new Tally(BOOKS);
  const { from, to } = tally.order(HERS, 10);
  for (let index = from; index < to; index++) {
    if (!unpaid.includes(index)) tally.paid(HERS, [index]);
    if (!except.includes(index)) tally.received(HERS, orderId(HERS, index), orderAmount(HERS, index));
  }
  return tally;
}

describe("the tally", () => {
  it("finds nothing wrong when every order is paid and received once", () => {
    const tally = tallied();
    expect(tally.problems()).toEqual([]);
    expect(tally.complete).toBe(true);
    const sum = Array.from({ length: 10 }, (_, index) => orderAmount(HERS, index)).reduce((a, b) => a + b);
    expect(tally.totals()[0]).toMatchObject({
      ordered: 10,
      paid: 10,
      received: 10,
      paidAmount: sum,
      receivedAmount: sum,
    });
  });

  it("counts the receipts of a payment that was paid again after a crash once", () => {
    const tally = tallied();
    const before = tally.totals();
    tally.paid(HERS, [3, 3, 9]);
    expect(tally.totals()).toEqual(before);
    expect(tally.problems()).toEqual([]);
  });

  it("finds a payment that was paid and lost", () => {
    const tally = tallied({ except: [4] });
    expect(tally.complete).toBe(false);
    expect(tally.problems()).toEqual([`payment ${orderId(HERS, 4)} was paid and lost`]);
  });

  it("finds a payment that arrived without a receipt, and one that was never paid", () => {
    const tally = tallied({ except: [7], unpaid: [2, 7] });
    expect(tally.unpaid(HERS, 0)).toEqual([2, 7]);
    expect(tally.unpaid(HERS, 3)).toEqual([7]);
    expect(tally.problems()).toEqual([
      `payment ${orderId(HERS, 2)} has no receipt`,
      `payment ${orderId(HERS, 7)} was never paid`,
    ]);
  });

  it("finds a payment that arrived twice", () => {
    const tally = tallied();
    tally.received(HERS, orderId(HERS, 5), orderAmount(HERS, 5));
    expect(tally.problems()).toEqual([`payment ${orderId(HERS, 5)} arrived more than once`]);
  });

  it("finds a payment with another amount, of another book, and one nobody ordered", () => {
    const tally = tallied({ except: [8] });
    tally.received(HERS, orderId(HERS, 8), orderAmount(HERS, 8) + 1n);
    tally.order(HIS, 1);
    tally.received(HERS, orderId(HIS, 0), orderAmount(HIS, 0));
    tally.received(HIS, orderId(HIS, 0), orderAmount(HIS, 0));
    tally.received(HIS, "f".repeat(32), 1n);
    tally.paid(HIS, [0, 77]);
    expect(tally.problems()).toEqual([
      expect.stringContaining(`payment ${orderId(HERS, 8)} arrived with`),
      expect.stringContaining(`payment ${orderId(HIS, 0)} arrived, which nobody ordered there`),
      expect.stringContaining("which nobody ordered there"),
      expect.stringContaining("a receipt for order 77 of book 1"),
    ]);
  });

  it("lists some problems and counts the rest", () => {
    const tally = new Tally(BOOKS);
    tally.order(HERS, 1_000);
    expect(tally.problems()).toHaveLength(21);
    expect(tally.problems().at(-1)).toBe("and 980 more");
  });
});

describe("orders", () => {
  it("have ids of 16 bytes of their own and amounts from a tenth of a cent to a cent", () => {
    const index = fc.nat({ max: 2_000_000 });
    fc.assert(
      fc.property(index, index, (one, other) => {
        expect(orderId(HERS, one)).toMatch(/^[0-9a-f]{32}$/);
        expect(orderId(HERS, one) === orderId(HERS, other)).toBe(one === other);
        expect(orderId(HERS, one)).not.toBe(orderId(HIS, one));
        const amount = orderAmount(HERS, one);
        expect(amount >= 1_000n * 333n && amount <= 10_000n * 333n).toBe(true);
      }),
    );
  });

  it("differ in amount", () => {
    const amounts = new Set(Array.from({ length: 1_000 }, (_, index) => orderAmount(HERS, index)));
    expect(amounts.size).toBeGreaterThan(900);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bumpDelayMs,
  bumpedFees,
  ceilingAt,
  DEFAULT_FEE_POLICY,
  type FeePolicy,
  type Fees,
  feePolicyOf,
  firstFees,
} from "../../src/chain/fees.ts";

const policy = DEFAULT_FEE_POLICY;
const wei = fc.bigInt({ min: 0n, max: 10n ** 15n });
const market = fc.record({ baseFee: wei, priority: wei });

describe("fees", () => {
  it("never offers above the ceiling, nor a tip above the fee", () => {
    fc.assert(
      fc.property(market, wei, (asked, ceiling) => {
        const { maxFee, priority } = firstFees(policy, asked, ceiling);
        expect(maxFee <= ceiling).toBe(true);
        expect(priority <= maxFee).toBe(true);
      }),
    );
  });

  it("raises both fields by an eighth at least, or does not offer", () => {
    const fees: fc.Arbitrary<Fees> = fc
      .tuple(wei, wei)
      .map(([a, b]) => ({ maxFee: a > b ? a : b, priority: a > b ? b : a }));
    let offers = 0;
    fc.assert(
      fc.property(fees, market, wei, (previous, asked, ceiling) => {
        const next = bumpedFees(policy, previous, asked, ceiling);
        if (next === undefined) return;
        offers++;
        expect(next.maxFee * 8n >= previous.maxFee * 9n).toBe(true);
        expect(next.priority * 8n >= previous.priority * 9n).toBe(true);
        expect(next.maxFee > previous.maxFee && next.priority > previous.priority).toBe(true);
        expect(next.maxFee <= ceiling && next.priority <= next.maxFee).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(offers).toBeGreaterThan(50);
  });

  it("lets the ceiling and the pace only rise as the deadline nears, and stops after it", () => {
    const time = fc.integer({ min: 0, max: 2 * policy.urgencySeconds });
    fc.assert(
      fc.property(time, time, (a, b) => {
        const [near, far] = [Math.min(a, b), Math.max(a, b)];
        expect(ceilingAt(policy, near) >= ceilingAt(policy, far)).toBe(true);
        expect(bumpDelayMs(policy, near)).toBeLessThanOrEqual(bumpDelayMs(policy, far));
      }),
    );
    expect(ceilingAt(policy, 0)).toBe(policy.urgentCeiling);
    expect(ceilingAt(policy, policy.urgencySeconds)).toBe(policy.ceiling);
    expect(ceilingAt(policy, -1)).toBe(policy.ceiling);
    expect(ceilingAt(policy, undefined)).toBe(policy.ceiling);
  });

  it("takes a ceiling of the operator's, and keeps the other bounds within it", () => {
    expect(feePolicyOf()).toEqual(policy);
    expect(feePolicyOf({ ceiling: 5n })).toMatchObject({ ceiling: 5n, maxPriority: 5n, minPriority: 5n });
    const high = 10n ** 13n;
    expect(feePolicyOf({ ceiling: high })).toMatchObject({ ceiling: high, urgentCeiling: high });
    expect(feePolicyOf({ urgentCeiling: policy.ceiling })).toMatchObject({ urgentCeiling: policy.ceiling });
  });

  it.each<[string, Partial<FeePolicy>]>([
    ["ceiling", { ceiling: 0n }],
    ["ceiling", { ceiling: -1n }],
    ["ceiling", { ceiling: 5 as unknown as bigint }],
    ["urgentCeiling", { ceiling: 10n, urgentCeiling: 9n }],
    ["urgencySeconds", { urgencySeconds: 0 }],
    ["urgencySeconds", { urgencySeconds: Number.NaN }],
    ["bumpAfterMs", { bumpAfterMs: 10 }],
    ["minPriority", { minPriority: 10n, maxPriority: 9n }],
    ["maxPriority", { ceiling: 10n, maxPriority: 11n }],
  ])("refuses a %s that makes no sense: %o", (field, changes) => {
    expect(() => feePolicyOf(changes)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ code: "fee_policy_invalid", field }) }),
    );
  });
});

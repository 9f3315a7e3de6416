import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Budget, tripOf } from "../../../src/node/limits/caps.ts";
import { Habit } from "../../../src/node/limits/velocity.ts";
import { SlidingWindow } from "../../../src/node/limits/window.ts";
import type { Address } from "../../../src/protocol/index.ts";

const HOUR = 3_600_000;
const seed = Number(process.env.RIVULET_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`spending windows: RIVULET_SEED=${seed}`);

const steps = fc.array(
  fc.record({ after: fc.integer({ min: 0, max: HOUR }), amount: fc.bigInt({ min: 0n, max: 10n ** 30n }) }),
  { maxLength: 60 },
);

describe("a sliding window", () => {
  it("never counts less than was spent within it, and at most a sixtieth of it too long", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 2 * HOUR }), (spent, later) => {
        const window = new SlidingWindow(HOUR);
        const list: { time: number; amount: bigint }[] = [];
        let time = 1_800_000_000_000;
        for (const { after, amount } of spent) {
          time += after;
          window.add(time, amount);
          list.push({ time, amount });
        }
        time += later;
        const within = (span: number) =>
          list.filter((one) => one.time > time - span).reduce((sum, one) => sum + one.amount, 0n);
        const total = window.total(time);
        expect(total).toBeGreaterThanOrEqual(within(HOUR));
        expect(total).toBeLessThanOrEqual(within(HOUR + HOUR / 60 + 1));
      }),
      { seed, numRuns: 500 },
    );
  });

  it("comes back from the disk as it was, and takes back what was not spent", () => {
    fc.assert(
      fc.property(steps, (spent) => {
        const [window, other, kept] = [1, 2, 3].map(() => new SlidingWindow(HOUR)) as [
          SlidingWindow,
          SlidingWindow,
          SlidingWindow,
        ];
        let time = 1_800_000_000_000;
        for (const { after, amount } of spent) {
          time += after;
          const bucket = window.add(time, amount);
          kept.add(time, amount);
          window.add(time, 5n);
          window.remove(window.add(time, 7n), 7n);
          window.remove(bucket, 0n);
          kept.add(time, 5n);
        }
        other.load(window.save());
        expect(other.total(time)).toBe(kept.total(time));
        expect(window.total(time)).toBe(kept.total(time));
        expect(other.total(time + HOUR / 2)).toBe(kept.total(time + HOUR / 2));
      }),
      { seed, numRuns: 300 },
    );
  });

  it("does not forget because a clock was set back, and forgets all in time", () => {
    const window = new SlidingWindow(HOUR);
    window.add(10 * HOUR, 5n);
    window.add(2 * HOUR, 6n);
    expect(window.total(3 * HOUR)).toBe(11n);
    expect(window.total(12 * HOUR)).toBe(0n);
    const bucket = window.add(20 * HOUR, 1n);
    expect(window.total(40 * HOUR)).toBe(0n);
    window.remove(bucket, 1n);
    expect(window.total(40 * HOUR)).toBe(0n);
  });
});

describe("caps", () => {
  const token = `0x${"1".repeat(40)}` as Address;
  const spent = { perHour: 10n, perDay: 20n, perMonth: 30n, total: 40n };
  it.each([
    ["perPayment", { perPayment: 4n }, 5n],
    ["perHour", { perHour: 14n }, 5n],
    ["perDay", { perDay: 24n }, 5n],
    ["perMonth", { perMonth: 34n }, 5n],
    ["total", { total: 44n }, 5n],
  ] as const)("%s is the last that is allowed, and one more is not", (rule, cap, amount) => {
    const caps: Budget = { token, ...cap };
    expect(tripOf(caps, spent, amount)?.rule).toBe(rule);
    expect(tripOf(caps, spent, amount - 1n)).toBeUndefined();
  });
});

describe("the velocity alarm", () => {
  const rule = { windowMs: 60_000, times: 10, floor: 0n };
  const start = 1_800_000_000_000;

  /** An hour and a half of one payment of 10 a minute. */
  function habitual(): { habit: Habit; now: number } {
    const habit = new Habit(60_000);
    for (let minute = 0; minute < 90; minute++) habit.add(start + minute * 60_000, 10n);
    return { habit, now: start + 90 * 60_000 };
  }

  it("is quiet about what is usual and rings at ten times that", () => {
    const { habit, now } = habitual();
    expect(habit.check(rule, now + 70_000, 10n)).toBeUndefined();
    expect(habit.check(rule, now + 70_000, 90n)).toBeUndefined();
    const trip = habit.check(rule, now + 70_000, 1_000n);
    expect(trip).toMatchObject({ recent: 1_000n });
    expect(trip!.usual).toBeGreaterThan(8n);
    expect(trip!.usual).toBeLessThan(13n);
  });

  it("sees a thief's many small payments as one", () => {
    const { habit, now } = habitual();
    let rang = false;
    for (let i = 0; i < 100 && !rang; i++) {
      rang = habit.check(rule, now + 70_000 + i, 10n) !== undefined;
      if (!rang) habit.add(now + 70_000 + i, 10n);
    }
    expect(rang).toBe(true);
  });

  it("leaves everything below the floor alone, and lets the floor decide until there is a habit", () => {
    const { habit, now } = habitual();
    expect(habit.check({ ...rule, floor: 5_000n }, now, 4_000n)).toBeUndefined();
    expect(new Habit(60_000).check(rule, start, 10n ** 30n)).toBeUndefined();
    expect(new Habit(60_000).check({ ...rule, floor: 5_000n }, start, 5_001n)).toMatchObject({
      allowed: 5_000n,
    });
  });

  it("does not take one payment after a quiet week for an attack", () => {
    const { habit, now } = habitual();
    expect(habit.check(rule, now + 7 * 24 * HOUR, 10n)).toBeUndefined();
    expect(habit.check(rule, now + 7 * 24 * HOUR, 1_000n)).toBeDefined();
  });
});

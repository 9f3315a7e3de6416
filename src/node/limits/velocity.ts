import { SlidingWindow } from "./window.ts";

/** How fast a habit is forgotten: after a day without spending about a third of it is left. */
const HABIT_MS = 24 * 3_600_000;

/** A habit is not believed before it has been watched for this long. */
const LEARNT_MS = 3_600_000;

export interface VelocityRule {
  readonly windowMs: number;
  /** How many times the usual is an alarm. */
  readonly times: number;
  /** Up to this much within the window nothing is an alarm; base units. */
  readonly floor: bigint;
}

/** Why a payment is unusual, in the numbers that said so. Base units. */
export interface VelocityTrip {
  readonly recent: bigint;
  readonly usual: bigint;
  readonly allowed: bigint;
}

/** What was added to a habit and may be taken back. */
export interface HabitMark {
  readonly time: number;
  readonly bucket: number;
  readonly amount: bigint;
}

/**
 * What one spender usually spends of one token. The alarm in one sentence: within the window more was spent than the
 * floor, and more than `times` what is usually spent in such a window or in one payment, whichever is more.
 *
 * The habit is an exponential moving average, held in a float: it decides what is asked about, never what is owed.
 */
export class Habit {
  readonly #window: SlidingWindow;
  readonly #windowMs: number;
  #since: number | undefined;
  #at = 0;
  /** Amounts and payments, each weighing less by the day. */
  #spent = 0;
  #payments = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#window = new SlidingWindow(windowMs);
  }

  /** Undefined if `amount` more at `time` (Unix milliseconds) is nothing unusual. */
  check(rule: VelocityRule, time: number, amount: bigint): VelocityTrip | undefined {
    const recent = this.#window.total(time) + amount;
    if (recent <= rule.floor) return undefined;
    const age = this.#since === undefined ? 0 : time - this.#since;
    if (age < LEARNT_MS) {
      // Nothing is known yet: the floor alone decides, where there is one.
      return rule.floor === 0n ? undefined : { recent, usual: 0n, allowed: rule.floor };
    }
    const usual = BigInt(Math.ceil(this.#usual(time, age)));
    const allowed = (usual * BigInt(Math.round(rule.times * 1000))) / 1000n;
    return recent > allowed ? { recent, usual, allowed } : undefined;
  }

  add(time: number, amount: bigint): HabitMark {
    this.#since ??= time;
    this.#forget(time);
    const bucket = this.#window.add(time, amount);
    this.#spent += Number(amount);
    this.#payments += 1;
    return { time: this.#at, bucket, amount };
  }

  /** It certainly was not spent: nobody makes large payments usual by having them refused. */
  remove({ time, bucket, amount }: HabitMark): void {
    this.#window.remove(bucket, amount);
    const left = Math.exp(Math.min(0, time - this.#at) / HABIT_MS);
    this.#spent = Math.max(0, this.#spent - Number(amount) * left);
    this.#payments = Math.max(0, this.#payments - left);
  }

  #usual(time: number, age: number): number {
    this.#forget(time);
    if (this.#payments === 0) return 0;
    // A young habit has not filled its day; without this it would look smaller than it is.
    const filled = 1 - Math.exp(-age / HABIT_MS);
    const perWindow = (this.#spent * this.#windowMs) / (HABIT_MS * filled);
    return Math.max(perWindow, this.#spent / this.#payments);
  }

  #forget(time: number): void {
    if (time <= this.#at) return;
    const left = this.#at === 0 ? 1 : Math.exp((this.#at - time) / HABIT_MS);
    this.#spent *= left;
    this.#payments *= left;
    this.#at = time;
  }
}

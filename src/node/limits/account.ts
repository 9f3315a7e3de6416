import type { Records } from "../records.ts";
import {
  type Budget,
  needsMemory,
  PERIODS,
  type Period,
  SPANS,
  type Spent,
  type Trip,
  tightest,
  tripOf,
} from "./caps.ts";
import { SlidingWindow } from "./window.ts";

const NAMESPACE = "spent";

/** A lease is this part of the tightest cap: at most so much of it is lost by a power cut. */
const LEASE_PART = 64n;

/** On disk. `leased` is counted as spent by whoever reads it after a crash: more can not have been. */
interface StoredSpending {
  readonly total: string;
  readonly windows: Readonly<Record<Period, readonly (readonly [number, string])[]>>;
  readonly leased: string;
}

/** Something that was counted as spent and may turn out not to be. */
export interface Hold {
  readonly amount: bigint;
  readonly buckets: Readonly<Record<Period, number>>;
}

/**
 * What one spender (the node, a peer, an access token) has spent of one token, for its caps.
 *
 * The disk always says at least as much as was spent: before a payment leaves it holds a lease, a sum that may be spent without
 * writing again. A crash makes the whole lease count as spent, at the time of the restart. So a cap may let less
 * through after a power cut, by a 64th of it or one payment, and never more.
 */
export class SpendingAccount {
  readonly #records: Records;
  readonly #key: string;
  readonly #windows: Readonly<Record<Period, SlidingWindow>>;
  #total: bigint;
  /** Spent since the lease was written, and how much it covers. */
  #used = 0n;
  #leased = 0n;
  #writing: Promise<void> | undefined;

  private constructor(records: Records, key: string, stored: StoredSpending | undefined, now: number) {
    this.#records = records;
    this.#key = key;
    this.#windows = {
      perHour: new SlidingWindow(SPANS.perHour),
      perDay: new SlidingWindow(SPANS.perDay),
      perMonth: new SlidingWindow(SPANS.perMonth),
    };
    const leased = BigInt(stored?.leased ?? "0");
    this.#total = BigInt(stored?.total ?? "0") + leased;
    for (const period of PERIODS) {
      if (stored !== undefined) this.#windows[period].load(stored.windows[period]);
      this.#windows[period].add(now, leased);
    }
  }

  /** `key`: the spender and the token. `now`: Unix milliseconds. */
  static async open(records: Records, key: string, now: number): Promise<SpendingAccount> {
    return new SpendingAccount(records, key, await records.get<StoredSpending>(NAMESPACE, key), now);
  }

  spent(now: number): Spent {
    const { perHour, perDay, perMonth } = this.#windows;
    return {
      perHour: perHour.total(now),
      perDay: perDay.total(now),
      perMonth: perMonth.total(now),
      total: this.#total,
    };
  }

  check(caps: Budget, now: number, amount: bigint): Trip | undefined {
    return tripOf(caps, this.spent(now), amount);
  }

  /** Counts `amount` as spent from now on; {@link cover} makes it so on disk. */
  hold(now: number, amount: bigint): Hold {
    this.#total += amount;
    this.#used += amount;
    const add = (period: Period) => this.#windows[period].add(now, amount);
    return { amount, buckets: { perHour: add("perHour"), perDay: add("perDay"), perMonth: add("perMonth") } };
  }

  /**
   * It certainly was not spent. What it used of the lease stays used: on disk it may already be in a bucket of its own
   * time, which would leave the window before whatever is spent in its place.
   */
  release({ amount, buckets }: Hold): void {
    this.#total -= amount;
    for (const period of PERIODS) this.#windows[period].remove(buckets[period], amount);
  }

  /** Resolves once everything held so far is covered on disk, synced. Callers that come together share one write. */
  async cover(caps: Budget): Promise<void> {
    if (!needsMemory(caps)) return;
    while (this.#used > this.#leased) {
      this.#writing ??= this.#write(caps).finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
  }

  async #write(caps: Budget): Promise<void> {
    const extra = (tightest(caps) ?? 0n) / LEASE_PART;
    const windows = {
      perHour: this.#windows.perHour.save(),
      perDay: this.#windows.perDay.save(),
      perMonth: this.#windows.perMonth.save(),
    };
    const stored: StoredSpending = { total: `${this.#total}`, windows, leased: `${extra}` };
    const used = this.#used;
    await this.#records.put(NAMESPACE, this.#key, stored, { sync: true });
    // What was used up to the write is in its totals; what came meanwhile is covered by the lease, or is not.
    this.#used -= used;
    this.#leased = extra;
  }
}

/** Removes what is kept of every account whose key begins with `prefix`. */
export async function forgetSpending(records: Records, prefix: string): Promise<void> {
  for await (const { key } of records.list(NAMESPACE, { prefix })) {
    await records.delete(NAMESPACE, key, { sync: false });
  }
}

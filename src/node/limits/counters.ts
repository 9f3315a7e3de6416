import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";
import { forgetSpending, SpendingAccount } from "./account.ts";
import type { Spent } from "./caps.ts";
import { Habit } from "./velocity.ts";

/** Accounts and habits held in memory: about 2 KiB each. Beyond it nobody new is given a budget to spend. */
const MAX_HELD = 100_000;

/** What has been counted so far, by spender and token. */
export class Counters {
  readonly #records: Records;
  readonly #accounts = new Map<string, SpendingAccount>();
  readonly #opening = new Map<string, Promise<SpendingAccount>>();
  readonly #habits = new Map<string, Habit>();

  constructor(records: Records) {
    this.#records = records;
  }

  /** One account per key, for ever: two would each allow the whole budget. Throws `queue_full`. */
  async account(key: string): Promise<SpendingAccount> {
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      if (this.#accounts.size + this.#opening.size >= MAX_HELD) {
        throw new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_HELD) } });
      }
      opening = this.#open(key);
      this.#opening.set(key, opening);
    }
    return opening;
  }

  /** What an account has spent, without keeping one open for whoever only looks. */
  async spent(key: string): Promise<Spent> {
    const now = Date.now();
    const open = this.#accounts.get(key) ?? (await this.#opening.get(key));
    return (open ?? (await SpendingAccount.open(this.#records, key, now))).spent(now);
  }

  async #open(key: string): Promise<SpendingAccount> {
    try {
      const account = await SpendingAccount.open(this.#records, key, Date.now());
      this.#accounts.set(key, account);
      return account;
    } finally {
      this.#opening.delete(key);
    }
  }

  /** The longest unused is forgotten for a new one: an alarm then has to learn again, no limit is lost. */
  habit(key: string, windowMs: number): Habit {
    let habit = this.#habits.get(key);
    if (habit !== undefined) return habit;
    const [oldest] = this.#habits.keys();
    if (this.#habits.size >= MAX_HELD) this.#habits.delete(oldest!);
    habit = new Habit(windowMs);
    this.#habits.set(key, habit);
    return habit;
  }

  /** For a spender that is gone for good: its name never comes again. */
  async forget(prefix: string): Promise<void> {
    for (const map of [this.#accounts, this.#habits]) {
      for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
    }
    await forgetSpending(this.#records, prefix);
  }

  forgetHabits(): void {
    this.#habits.clear();
  }
}

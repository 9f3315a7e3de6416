import type { Arrived, Order } from "./control.ts";

/** A contradiction between what was promised and what is there. */
export class Broken extends Error {}

interface Asked {
  readonly amount: bigint;
  /** The payer's node said that it is paid. */
  paid: boolean;
}

interface Got {
  readonly nonce: bigint;
  readonly index: number;
}

/**
 * One direction's payments as the two applications know them, kept apart from anything the nodes count. The payer's
 * application asks again for what it has no answer to, by the same id; the payee's application serves an id once.
 */
export class Tally {
  readonly name: string;
  readonly #asked = new Map<string, Asked>();
  readonly #got = new Map<string, Got>();
  readonly #unresolved = new Set<string>();
  /** Updates seen beyond the first one missing. */
  readonly #ahead = new Set<bigint>();
  /** Sum of what was served. */
  total = 0n;
  /** Every update up to this one was seen: a later one may be heard of before one that a crash kept back is read. */
  seenTo = 0n;

  constructor(name: string) {
    this.name = name;
  }

  get payments(): number {
    return this.#asked.size;
  }

  ask(orders: readonly Order[]): void {
    for (const { id, amount } of orders) {
      this.#asked.set(id, { amount, paid: false });
      this.#unresolved.add(id);
    }
  }

  paid(id: string): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) throw new Broken(`${this.name}: nobody asked to pay ${id}`);
    asked.paid = true;
    this.#unresolved.delete(id);
  }

  unresolved(): Order[] {
    return [...this.#unresolved].map((id) => ({ id, amount: this.#asked.get(id)!.amount }));
  }

  /** The payee's node delivered an update. The same one again, after a crash, is no second payment. */
  arrive({ nonce, payments }: Arrived): void {
    for (const [index, { id, amount }] of payments.entries()) {
      const asked = this.#asked.get(id);
      if (asked?.amount !== amount) throw new Broken(`${this.name}: ${id} of ${amount} was not asked for`);
      const before = this.#got.get(id);
      if (before !== undefined) {
        if (before.nonce === nonce && before.index === index) continue;
        throw new Broken(`${this.name}: ${id} was applied twice, in updates ${before.nonce} and ${nonce}`);
      }
      this.#got.set(id, { nonce, index });
      this.total += amount;
    }
    if (nonce > this.seenTo) this.#ahead.add(nonce);
    while (this.#ahead.delete(this.seenTo + 1n)) this.seenTo++;
  }

  /** Everything asked for is paid, and everything paid has arrived. */
  assertWhole(): void {
    if (this.#unresolved.size > 0) throw new Broken(`${this.name}: ${this.#unresolved.size} unresolved`);
    for (const [id, { paid }] of this.#asked) {
      if (paid && !this.#got.has(id)) throw new Broken(`${this.name}: ${id} was acknowledged and is lost`);
    }
  }
}

/** Buckets of one window: it counts up to a sixtieth of its length too long, never too short. */
const BUCKETS = 60;

/**
 * What was spent within the last `span` milliseconds. Amounts of one bucket leave together, once all of them are too
 * old, so the sum may be of a little more than the window and is never of less. A clock that is set back stands still here.
 */
export class SlidingWindow {
  readonly #width: number;
  /** One more than the window holds: the oldest bucket is partly within it. */
  readonly #buckets: bigint[] = new Array<bigint>(BUCKETS + 1).fill(0n);
  #newest = 0;
  #total = 0n;

  /** `span`: milliseconds. */
  constructor(span: number) {
    this.#width = span / BUCKETS;
  }

  /** Adds at `time`, Unix milliseconds, and returns the bucket it fell into, for {@link remove}. */
  add(time: number, amount: bigint): number {
    this.#advance(time);
    const at = this.#newest % this.#buckets.length;
    this.#buckets[at] = this.#buckets[at]! + amount;
    this.#total += amount;
    return this.#newest;
  }

  /** Takes back what was added to `bucket`; does nothing once that is no longer counted. */
  remove(bucket: number, amount: bigint): void {
    if (bucket <= this.#newest - this.#buckets.length) return;
    const at = bucket % this.#buckets.length;
    this.#buckets[at] = this.#buckets[at]! - amount;
    this.#total -= amount;
  }

  total(time: number): bigint {
    this.#advance(time);
    return this.#total;
  }

  /** The buckets with something in them, for the disk: `[index, amount]`. */
  save(): [number, string][] {
    const saved: [number, string][] = [];
    for (let index = this.#newest - BUCKETS; index <= this.#newest; index++) {
      const amount = index < 0 ? 0n : this.#buckets[index % this.#buckets.length]!;
      if (amount > 0n) saved.push([index, `${amount}`]);
    }
    return saved;
  }

  /** Takes up what {@link save} gave. */
  load(saved: readonly (readonly [number, string])[]): void {
    for (const [index, amount] of saved) this.add(index * this.#width, BigInt(amount));
  }

  #advance(time: number): void {
    const now = Math.floor(time / this.#width);
    if (now <= this.#newest) return;
    const steps = Math.min(now - this.#newest, this.#buckets.length);
    for (let step = 1; step <= steps; step++) {
      // Beyond a whole turn every bucket is emptied once, whichever comes first.
      const at = (now - steps + step) % this.#buckets.length;
      this.#total -= this.#buckets[at]!;
      this.#buckets[at] = 0n;
    }
    this.#newest = now;
  }
}

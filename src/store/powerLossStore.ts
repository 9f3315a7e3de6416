import { keyText } from "./keys.ts";
import { type LevelStoreOptions, openLevelStore } from "./levelStore.ts";
import { selectRange } from "./memoryStore.ts";
import { seededRandom } from "./random.ts";
import type { Entry, Op, Range, Store, WriteOptions } from "./store.ts";
import { closedError, StoreError } from "./storeError.ts";

export interface PowerLossOptions {
  /** Decides how much of what was not synced survives. Print it: the same seed and writes lose the same. */
  readonly seed: number;
  /**
   * `none`: everything since the last sync is lost. `prefix`: the operating system may have written back some of
   * it, always the oldest; the batch it was in the middle of is dropped whole, as LevelDB drops it.
   */
  readonly tail?: "none" | "prefix";
  /** Takes every sync for done without doing it: with this on, a test of power loss has to fail. */
  readonly ignoreSync?: boolean;
}

interface Batch {
  readonly ops: readonly Op[];
  readonly number: number;
}

/** The newest unsynced word on one key: which batch said it, and the value, or undefined for removed. */
interface Pending {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly batch: number;
}

/**
 * A store that loses power as a machine does, over any store that only ever sees what would have survived.
 *
 * Unsynced batches stay in this process's memory; a sync hands all of them, in order, to the store below. So
 * killing the process loses exactly what was not synced, which killing a process that writes to LevelDB directly
 * does not: the operating system keeps those bytes. With `tail: "prefix"` some unsynced batches are handed down
 * early, at the seed's whim. `crash()` does the same within a process.
 */
export class PowerLossStore implements Store {
  readonly #inner: Store;
  readonly #options: PowerLossOptions;
  readonly #random: () => number;
  #unsynced: Batch[] = [];
  readonly #overlay = new Map<string, Pending>();
  #batches = 0;
  #last: Promise<void> = Promise.resolve();
  #state: "open" | "closed" | "crashed" = "open";

  constructor(inner: Store, options: PowerLossOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** How many batches a power cut at this moment may lose. */
  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.lookUp(key);
  }

  lookUp(key: Uint8Array): Uint8Array | undefined {
    this.#assertRunning();
    const pending = this.#overlay.get(keyText(key));
    return pending === undefined ? this.#inner.lookUp(key) : pending.value?.slice();
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#assertRunning();
    const pending = keys.map((key) => this.#overlay.get(keyText(key)));
    const below = await this.#inner.getMany(keys);
    return below.map((value, i) => (pending[i] === undefined ? value : pending[i].value?.slice()));
  }

  async *range(range: Range): AsyncGenerator<Entry, undefined> {
    this.#assertRunning();
    const overlay = [...this.#overlay.values()];
    const merged = new Map<string, Entry>();
    const { gte, lt, signal } = range;
    for await (const entry of this.#inner.range({ gte, lt, signal })) merged.set(keyText(entry[0]), entry);
    for (const { key, value } of overlay) {
      if (value === undefined) merged.delete(keyText(key));
      else merged.set(keyText(key), [key, value]);
    }
    for (const [key, value] of selectRange(merged.values(), range)) {
      signal?.throwIfAborted();
      yield [key.slice(), value.slice()];
    }
  }

  write(ops: readonly Op[], options: WriteOptions): Promise<void> {
    return this.#inTurn(async () => {
      this.#accept(ops);
      if (options.sync && !this.#options.ignoreSync) await this.#handDown(this.#unsynced.length, true);
      else if (this.#options.tail === "prefix") await this.#handDown(this.#writtenBack(), false);
    });
  }

  flush(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#options.ignoreSync) await this.#handDown(this.#unsynced.length, true);
    });
  }

  async close(): Promise<void> {
    if (this.#state !== "open") return;
    await this.#inTurn(() => this.#handDown(this.#unsynced.length, true));
    this.#state = "closed";
    await this.#inner.close();
  }

  /**
   * Cuts the power: waiting writes fail, what was not synced is gone but for the prefix the seed lets survive. The
   * store below stays open and holds what a restart would find.
   */
  async crash(): Promise<{ lostBatches: number; survivingBatches: number }> {
    this.#assertRunning();
    this.#state = "crashed";
    await this.#last;
    const survivingBatches = this.#options.tail === "prefix" ? this.#writtenBack() : 0;
    const lostBatches = this.#unsynced.length - survivingBatches;
    await this.#handDown(survivingBatches, true);
    this.#unsynced = [];
    return { lostBatches, survivingBatches };
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(() => {
      this.#assertRunning();
      return step();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  #accept(ops: readonly Op[]): void {
    const number = ++this.#batches;
    const copied = ops.map(
      (op): Op =>
        op.type === "put"
          ? { type: "put", key: op.key.slice(), value: op.value.slice() }
          : { type: "del", key: op.key.slice() },
    );
    this.#unsynced.push({ ops: copied, number });
    for (const op of copied) {
      const value = op.type === "put" ? op.value : undefined;
      this.#overlay.set(keyText(op.key), { key: op.key, value, batch: number });
    }
  }

  /** How many of the unsynced batches the disk already has: any number, none and all included. */
  #writtenBack(): number {
    return Math.floor(this.#random() * (this.#unsynced.length + 1));
  }

  async #handDown(count: number, sync: boolean): Promise<void> {
    for (let i = 0; i < count; i++) {
      const batch = this.#unsynced[i]!;
      await this.#inner.write(batch.ops, { sync: sync && i === count - 1 });
    }
    if (count === 0) {
      if (sync) await this.#inner.flush();
      return;
    }
    for (const { ops, number } of this.#unsynced.splice(0, count)) {
      for (const { key } of ops) {
        const text = keyText(key);
        const pending = this.#overlay.get(text);
        if (pending !== undefined && pending.batch === number) this.#overlay.delete(text);
      }
    }
  }

  #assertRunning(): void {
    if (this.#state === "closed") throw closedError();
    if (this.#state === "crashed") {
      throw new StoreError("store_failed", "The power was cut.", { moneyAtStake: false });
    }
  }
}

/**
 * LevelDB under a `PowerLossStore`, for processes that a test kills: SIGKILL then loses what a power cut would. A
 * clean `close` loses nothing.
 */
export async function openPowerLossLevelStore(
  directory: string,
  options: PowerLossOptions & LevelStoreOptions,
): Promise<PowerLossStore> {
  return new PowerLossStore(await openLevelStore(directory, options), options);
}

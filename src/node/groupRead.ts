import type { StoreReader } from "../store/store.ts";

type Values = (Uint8Array | undefined)[];

interface Group {
  readonly keys: Uint8Array[];
  readonly read: PromiseWithResolvers<Values>;
}

/**
 * Reads for many callers at once: while one read is under way, the keys that come gather for the next. A read of
 * LevelDB costs a trip through a thread, which for payments one by one is more than everything else together.
 */
export class GroupRead {
  readonly #store: Pick<StoreReader, "getMany">;
  /** Bounded by its callers: each waits for its own keys. */
  #gathering: Group | undefined;
  #reading = false;

  constructor(store: Pick<StoreReader, "getMany">) {
    this.#store = store;
  }

  /** One result per key, in the keys' order, as of now or later. Rejects as the store does. */
  async getMany(keys: readonly Uint8Array[]): Promise<Values> {
    this.#gathering ??= { keys: [], read: Promise.withResolvers() };
    const { keys: gathered, read } = this.#gathering;
    const first = gathered.length;
    for (const key of keys) gathered.push(key);
    if (!this.#reading) void this.#run();
    const values = await read.promise;
    return values.slice(first, first + keys.length);
  }

  async #run(): Promise<void> {
    this.#reading = true;
    await Promise.resolve(); // whoever asks in the same turn comes along
    while (this.#gathering !== undefined) {
      const { keys, read } = this.#gathering;
      this.#gathering = undefined;
      await this.#store.getMany(keys).then(read.resolve, read.reject);
    }
    this.#reading = false;
  }
}

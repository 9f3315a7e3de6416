import { openLevelStore } from "../dist/store/levelStore.js";
import type { Store } from "../dist/store/store.js";

/** Counts the batches that reach LevelDB and how many of them were synced, so that a result can prove it was durable. */
export class WriteCounter {
  #batches = 0;
  #synced = 0;

  count(): { readonly batches: number; readonly synced: number } {
    return { batches: this.#batches, synced: this.#synced };
  }

  readonly openStore = async (directory: string): Promise<Store> => {
    const store = await openLevelStore(directory);
    return {
      get: (key) => store.get(key),
      lookUp: (key) => store.lookUp(key),
      getMany: (keys) => store.getMany(keys),
      range: (range) => store.range(range),
      flush: () => store.flush(),
      close: () => store.close(),
      write: async (ops, options) => {
        await store.write(ops, options);
        this.#batches++;
        if (options.sync) this.#synced++;
      },
    };
  };
}

import { checkedPayload } from "./frame.ts";
import type { Entry, Range, StoreReader } from "./store.ts";

/** Reads framed values and gives their payloads. A value that fails its checksum throws `record_damaged`. */
export class CheckedReader implements StoreReader {
  readonly #store: StoreReader;

  constructor(store: StoreReader) {
    this.#store = store;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const framed = await this.#store.get(key);
    return framed === undefined ? undefined : checkedPayload(key, framed);
  }

  lookUp(key: Uint8Array): Uint8Array | undefined {
    const framed = this.#store.lookUp(key);
    return framed === undefined ? undefined : checkedPayload(key, framed);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values = await this.#store.getMany(keys);
    return values.map((framed, i) => (framed === undefined ? undefined : checkedPayload(keys[i]!, framed)));
  }

  async *range(range: Range): AsyncGenerator<Entry, undefined> {
    for await (const [key, framed] of this.#store.range(range)) yield [key, checkedPayload(key, framed)];
  }
}

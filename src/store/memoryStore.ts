import { compareKeys, keyText } from "./keys.ts";
import type { Entry, Op, Range, Store, WriteOptions } from "./store.ts";
import { closedError } from "./storeError.ts";

/** A store without a disk, for tests and tools. Nothing in it survives the process; `sync` changes nothing. */
export class MemoryStore implements Store {
  readonly #values = new Map<string, Entry>();
  #closed = false;

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.lookUp(key);
  }

  lookUp(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#values.get(keyText(key))?.[1].slice();
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.lookUp(key));
  }

  async *range(range: Range): AsyncGenerator<Entry, undefined> {
    this.#assertOpen();
    for (const [key, value] of selectRange(this.#values.values(), range)) {
      range.signal?.throwIfAborted();
      yield [key.slice(), value.slice()];
    }
  }

  async write(ops: readonly Op[], _options: WriteOptions): Promise<void> {
    this.#assertOpen();
    for (const op of ops) applyOp(this.#values, op);
  }

  async flush(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }
}

/** Puts or removes one entry of a map keyed by `keyText`. Copies, as a disk would. */
function applyOp(values: Map<string, Entry>, op: Op): void {
  if (op.type === "put") values.set(keyText(op.key), [op.key.slice(), op.value.slice()]);
  else values.delete(keyText(op.key));
}

/** The entries of `range`, sorted, out of an unsorted collection. */
export function selectRange(entries: Iterable<Entry>, range: Range): Entry[] {
  const selected: Entry[] = [];
  for (const entry of entries) {
    if (compareKeys(entry[0], range.gte) >= 0 && compareKeys(entry[0], range.lt) < 0) selected.push(entry);
  }
  selected.sort((a, b) => compareKeys(a[0], b[0]));
  if (range.reverse) selected.reverse();
  return range.limit === undefined ? selected : selected.slice(0, range.limit);
}

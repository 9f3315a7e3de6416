import { KEYSPACE } from "../../../dist/store/keys.js";
import type { Entry, Op, Range, Store, WriteOptions } from "../../../dist/store/store.js";
import type { Gate } from "./gate.ts";

/** Where an update's key says who signed it: behind the keyspace and the channel's id. */
const DIRECTION_AT = 33;

/** A store that stops at the gate before and after it writes updates. */
export class GatedStore implements Store {
  readonly #inner: Store;
  readonly #gate: Gate;

  constructor(inner: Store, gate: Gate) {
    this.#inner = inner;
    this.#gate = gate;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#inner.get(key);
  }

  lookUp(key: Uint8Array): Uint8Array | undefined {
    return this.#inner.lookUp(key);
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#inner.getMany(keys);
  }

  range(range: Range): AsyncIterableIterator<Entry> {
    return this.#inner.range(range);
  }

  async write(ops: readonly Op[], options: WriteOptions): Promise<void> {
    const sent = this.#holdsUpdate(ops, this.#gate.side);
    const received = this.#holdsUpdate(ops, 1 - this.#gate.side);
    if (sent) await this.#gate.reach("payer before write");
    if (received) await this.#gate.reach("payee before write");
    await this.#inner.write(ops, options);
    if (sent) await this.#gate.reach("payer after write");
    if (received) await this.#gate.reach("payee after write");
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #holdsUpdate(ops: readonly Op[], direction: number): boolean {
    return ops.some(({ key }) => key[0] === KEYSPACE.update && key[DIRECTION_AT] === direction);
  }
}

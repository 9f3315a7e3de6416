import type { GroupCommit } from "../store/groupCommit.ts";
import { prefixRange, recordKey } from "../store/keys.ts";
import type { DelOp, PutOp, Range, StoreReader, WriteOptions } from "../store/store.ts";

/** A namespace's name: short and plain, since it is part of every key. */
const NAMESPACE = /^[a-z][a-zA-Z0-9-]{0,31}$/;

/** Longest key, UTF-8 bytes: ids, hashes and times are far below. */
const MAX_KEY_BYTES = 512;

const UTF8 = new TextEncoder();

/** Digits of a time within a key, so that keys sort by it: until the year 33658. */
const TIME_DIGITS = 15;

/** Unix milliseconds as the beginning of a key; keys sort by it. */
export function timePrefix(time: number): string {
  return String(Math.min(time, 10 ** TIME_DIGITS - 1)).padStart(TIME_DIGITS, "0");
}

/** What {@link timePrefix} wrote at the beginning of `key`, and what follows behind one sign more. */
export function splitTimePrefix(key: string): { readonly time: number; readonly rest: string } {
  return { time: Number(key.slice(0, TIME_DIGITS)), rest: key.slice(TIME_DIGITS + 1) };
}

export interface ListOptions {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Only keys behind this one in the direction of reading. */
  readonly after?: string | undefined;
  /** Only keys `from <= key < to`. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number;
  readonly reverse?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface RecordEntry<Value> {
  readonly key: string;
  readonly value: Value;
}

/**
 * JSON records by namespace and key, in the node's database: what stands on the node beside its channels (access
 * tokens, operations, audit, requests). Keys sort by their UTF-8 bytes. JSON has no bigints: whoever stores one
 * writes it as a decimal string. Writes go through the committer like everything else, and fail as it does.
 */
export class Records {
  readonly #store: StoreReader;
  readonly #committer: GroupCommit;

  constructor(store: StoreReader, committer: GroupCommit) {
    this.#store = store;
    this.#committer = committer;
  }

  async get<Value>(namespace: string, key: string): Promise<Value | undefined> {
    const bytes = this.#store.lookUp(keyOf(namespace, key));
    return bytes === undefined ? undefined : (parse(bytes) as Value);
  }

  /** One value per key, in the keys' order. */
  async getMany<Value>(namespace: string, keys: readonly string[]): Promise<(Value | undefined)[]> {
    const found = await this.#store.getMany(keys.map((key) => keyOf(namespace, key)));
    return found.map((bytes) => (bytes === undefined ? undefined : (parse(bytes) as Value)));
  }

  /** Stores `value`; resolves once written, or with `sync` once durable. */
  put(namespace: string, key: string, value: unknown, options: WriteOptions): Promise<void> {
    return this.#committer.commit([this.putOp(namespace, key, value)], options);
  }

  delete(namespace: string, key: string, options: WriteOptions): Promise<void> {
    return this.#committer.commit([this.deleteOp(namespace, key)], options);
  }

  /** Writes several of {@link putOp} and {@link deleteOp} as one: all survive a crash or none does. */
  write(ops: (PutOp | DelOp)[], options: WriteOptions): Promise<void> {
    return this.#committer.commit(ops, options);
  }

  /** For a batch that must be atomic with something else. */
  putOp(namespace: string, key: string, value: unknown): PutOp {
    return { type: "put", key: keyOf(namespace, key), value: UTF8.encode(JSON.stringify(value)) };
  }

  deleteOp(namespace: string, key: string): DelOp {
    return { type: "del", key: keyOf(namespace, key) };
  }

  /** How many records a namespace has. None is parsed. */
  async count(namespace: string): Promise<number> {
    let count = 0;
    for await (const _ of this.#store.range(rangeOf(namespace, {}))) count++;
    return count;
  }

  /** The records of a namespace in the order of their keys, as they were when the first was asked for. */
  async *list<Value>(namespace: string, options: ListOptions = {}): AsyncGenerator<RecordEntry<Value>> {
    const skip = keyOf(namespace, "").length;
    const decoder = new TextDecoder();
    for await (const [key, value] of this.#store.range(rangeOf(namespace, options))) {
      yield { key: decoder.decode(key.subarray(skip)), value: parse(value) as Value };
    }
  }
}

function rangeOf(namespace: string, options: ListOptions): Range {
  const { prefix = "", after, from, to, limit, reverse = false, signal } = options;
  let { gte, lt } = prefixRange(keyOf(namespace, prefix));
  const raise = (key: Uint8Array) => {
    if (Buffer.compare(key, gte) > 0) gte = key;
  };
  const lower = (key: Uint8Array) => {
    if (Buffer.compare(key, lt) < 0) lt = key;
  };
  if (from !== undefined) raise(keyOf(namespace, from));
  if (to !== undefined) lower(keyOf(namespace, to));
  // The first key behind `after` is `after` with a zero byte at its end.
  if (after !== undefined) reverse ? lower(keyOf(namespace, after)) : raise(keyOf(namespace, `${after}\0`));
  return { gte, lt, reverse, signal, ...(limit !== undefined && { limit }) };
}

function keyOf(namespace: string, key: string): Uint8Array {
  if (!NAMESPACE.test(namespace)) throw new RangeError(`${namespace} is no name of a namespace`);
  const bytes = recordKey(namespace, key);
  if (bytes.length > MAX_KEY_BYTES) throw new RangeError("a record's key is too long");
  return bytes;
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

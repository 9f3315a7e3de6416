import { type ChannelState, channelIdFromBytes, toHex } from "../protocol/index.ts";
import { decodeChannelState, decodeUpdate } from "../store/channelRecord.ts";
import type { Database } from "../store/database.ts";
import {
  channelIdOfKey,
  channelKey,
  channelRange,
  KEYSPACE,
  prefixRange,
  updateRange,
} from "../store/keys.ts";
import type { Entry, PutOp, Range } from "../store/store.ts";
import { indexOps } from "./channel/paymentIds.ts";
import { Records } from "./records.ts";

export interface RebuildOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many updates were read. */
  readonly onProgress?: ((updates: number) => void) | undefined;
}

/** What became of the index by which a payment id pays once. */
export interface RebuiltIndex {
  /** Entries that were missing and are there again. */
  readonly rebuilt: number;
  /** Of what it could not be made anew, in words; empty: it is whole. */
  readonly lost: readonly string[];
}

/** Entries looked up and written at once. */
const BATCH = 1_024;
/** Updates between two words of progress. */
const TOLD_EVERY = 10_000;
/** Channels named: a report is read by a human. */
const MAX_NAMED = 20;

/** At which of the database's losses the index was last made anew. */
const REBUILT = { namespace: "paymentIndex", key: "rebuilt" } as const;

/**
 * Makes the index of payment ids anew from the stored payments, once after each loss of the database's data; undefined if
 * it was. What is there stays. Nothing may be paid meanwhile. Throws as the database does: `record_damaged` for a payment
 * that cannot be read, after which it is tried again the next time.
 */
export async function rebuildPaymentIndex(
  database: Pick<Database, "store" | "committer"> & { readonly losses: number },
  options: RebuildOptions = {},
): Promise<RebuiltIndex | undefined> {
  const records = new Records(database.store, database.committer);
  const { namespace, key } = REBUILT;
  if ((await records.get<number>(namespace, key)) === database.losses) return undefined;
  const rebuilt = await new Rebuild(database, options).run();
  await records.put(namespace, key, database.losses, { sync: true });
  return rebuilt;
}

class Rebuild {
  readonly #database: Pick<Database, "store" | "committer">;
  readonly #options: RebuildOptions;
  #ops: PutOp[] = [];
  #rebuilt = 0;
  #updates = 0;

  constructor(database: Pick<Database, "store" | "committer">, options: RebuildOptions) {
    this.#database = database;
    this.#options = options;
  }

  async run(): Promise<RebuiltIndex> {
    const [gone, unknown] = [new Named(), new Named()];
    for await (const [key, value] of this.#range(channelRange())) {
      const state = decodeChannelState(channelIdFromBytes(channelIdOfKey(key)), value);
      const missing = state.sent.nonce - (await this.#channel(state));
      if (missing > 0n) gone.add(`${state.id} (${missing} of ${state.sent.nonce})`);
    }
    await this.#write();
    for await (const id of this.#withPayments()) {
      if ((await this.#database.store.get(channelKey(id))) === undefined) unknown.add(toHex(id));
    }
    const lost: string[] = [];
    if (gone.count > 0) {
      lost.push(
        `updates with payments of ours are gone, and an id (Idempotency-Key) used in them may pay a second time: ${gone}`,
      );
    }
    if (unknown.count > 0) {
      lost.push(
        `records of channels are gone, and ids used in them count only once their peers have returned the payments: ${unknown}`,
      );
    }
    return { rebuilt: this.#rebuilt, lost };
  }

  /** How many updates of ours are there. What lies behind the newest is not known to be ours. */
  async #channel({ idBytes, side, sent }: ChannelState): Promise<bigint> {
    let count = 0n;
    for await (const [, value] of this.#range(updateRange(idBytes, side, 1n, sent.nonce + 1n))) {
      count++;
      indexOps(idBytes, decodeUpdate(value), this.#ops);
      if (this.#ops.length >= BATCH) await this.#write();
      if (++this.#updates % TOLD_EVERY === 0) this.#options.onProgress?.(this.#updates);
    }
    return count;
  }

  async #write(): Promise<void> {
    const { store, committer } = this.#database;
    const ops = this.#ops;
    this.#ops = [];
    const present = await store.getMany(ops.map(({ key }) => key));
    const missing = ops.filter((_, at) => present[at] === undefined);
    if (missing.length > 0) await committer.commit(missing, { sync: false });
    this.#rebuilt += missing.length;
  }

  /** The ids of all channels with updates, whether their record is there or not. */
  async *#withPayments(): AsyncGenerator<Uint8Array> {
    let { gte, lt } = prefixRange(Uint8Array.of(KEYSPACE.update));
    for (;;) {
      const key = await this.#firstKey({ gte, lt });
      if (key === undefined) return;
      yield channelIdOfKey(key);
      gte = prefixRange(key.subarray(0, 33)).lt;
    }
  }

  async #firstKey(range: Range): Promise<Uint8Array | undefined> {
    for await (const [key] of this.#range({ ...range, limit: 1 })) return key;
    return undefined;
  }

  #range(range: Range): AsyncIterableIterator<Entry> {
    return this.#database.store.range({ ...range, signal: this.#options.signal });
  }
}

/** A list of bounded length that knows how long it would be. */
class Named {
  readonly #names: string[] = [];
  count = 0;

  add(name: string): void {
    if (this.count++ < MAX_NAMED) this.#names.push(name);
  }

  toString(): string {
    const more = this.count - this.#names.length;
    return this.#names.join(", ") + (more > 0 ? ` and ${more} more` : "");
  }
}

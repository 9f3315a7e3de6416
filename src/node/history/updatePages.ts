import type { Side, Update } from "../../protocol/index.ts";
import { decodeUpdate, decodeUpdateTime } from "../../store/channelRecord.ts";
import { updateRange } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";

/** Updates fetched at once: each holds up to 128 KiB of entries, so a reader holds 2 MiB at most. */
const PAGE = 16n;

export interface StoredUpdate {
  readonly update: Update;
  /** Unix milliseconds; 0 for one written before times were kept. */
  readonly time: number;
}

/** Stored updates `from` to `to` of one direction, a page at a time, so that a slow reader holds nothing open. */
export async function* updatesUp(
  store: StoreReader,
  channelId: Uint8Array,
  payer: Side,
  from: bigint,
  to: bigint,
): AsyncGenerator<StoredUpdate> {
  for (let low = from; low <= to; low += PAGE) {
    const high = low + PAGE - 1n < to ? low + PAGE - 1n : to;
    yield* await page(store, channelId, payer, low, high);
  }
}

/** The same, newest first. */
export async function* updatesDown(
  store: StoreReader,
  channelId: Uint8Array,
  payer: Side,
  from: bigint,
  to: bigint,
): AsyncGenerator<StoredUpdate> {
  for (let high = to; high >= from; high -= PAGE) {
    const low = high - PAGE + 1n > from ? high - PAGE + 1n : from;
    yield* (await page(store, channelId, payer, low, high)).reverse();
  }
}

async function page(store: StoreReader, channelId: Uint8Array, payer: Side, low: bigint, high: bigint) {
  const found: StoredUpdate[] = [];
  if (low === high) {
    // The usual one: a run of one update needs no iterator.
    const [bytes] = await store.getMany([updateRange(channelId, payer, low).gte]);
    if (bytes !== undefined) found.push(stored(bytes));
    return found;
  }
  for await (const [, bytes] of store.range(updateRange(channelId, payer, low, high + 1n)))
    found.push(stored(bytes));
  return found;
}

export function stored(bytes: Uint8Array): StoredUpdate {
  return { update: decodeUpdate(bytes), time: decodeUpdateTime(bytes) ?? 0 };
}

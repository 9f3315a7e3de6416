import type { GroupCommit } from "../../store/groupCommit.ts";
import { KEYSPACE, nonceOfUpdateKey, prefixRange } from "../../store/keys.ts";
import type { Op, StoreReader } from "../../store/store.ts";
import type { Records } from "../records.ts";
import { runOp } from "./paymentIndex.ts";
import { stored } from "./updatePages.ts";

const NAMESPACE = "history";
const KEY = "index";

/** Updates read and indexed at once: a short hold of the event loop, and little beside what payments write. */
const BATCH = 256;

interface BackfillInit {
  readonly store: StoreReader;
  readonly committer: GroupCommit;
  readonly records: Records;
}

/** A node without a history does not index what it writes: the next one with a history has to begin again. */
export async function forgetIndex({ records }: BackfillInit): Promise<void> {
  if ((await records.get(NAMESPACE, KEY)) === undefined) return;
  await records.delete(NAMESPACE, KEY, { sync: true });
}

/**
 * Indexes by time the updates that were written before there was an index, once. May be cut off anywhere and begins
 * again at the next start. While it runs, payments of before are not all listed yet.
 */
export async function backfill(init: BackfillInit, signal: AbortSignal): Promise<void> {
  const { store, committer, records } = init;
  if ((await records.get(NAMESPACE, KEY)) !== undefined) return;
  let { gte, lt } = prefixRange(Uint8Array.of(KEYSPACE.update));
  for (;;) {
    const ops: Op[] = [];
    for await (const [key, value] of store.range({ gte, lt, limit: BATCH, signal })) {
      const nonce = nonceOfUpdateKey(key);
      ops.push(runOp(stored(value).time, key.slice(1, 33), key[33] === 0 ? 0 : 1, nonce, nonce));
      gte = Uint8Array.of(...key, 0);
    }
    if (ops.length === 0) break;
    await committer.room(signal);
    await committer.commit(ops, { sync: false });
  }
  await records.put(NAMESPACE, KEY, { complete: true }, { sync: true });
}

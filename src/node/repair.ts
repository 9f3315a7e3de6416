import { cp, readdir, rm, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type IntentRecord, intentFromJson } from "../chain/intent.ts";
import { readJournalRecord } from "../chain/journal.ts";
import type { Inspect } from "../store/database.ts";
import { DatabaseLock } from "../store/databaseLock.ts";
import { KEYSPACE } from "../store/keys.ts";
import { openDatabase } from "../store/levelDatabase.ts";
import { StoreError } from "../store/storeError.ts";
import { FREEZE_RECORD, type Frozen } from "./limits/freeze.ts";
import { type RebuiltIndex, rebuildPaymentIndex } from "./paymentIndex.ts";
import { Records } from "./records.ts";

export interface RepairOptions {
  /** Of the database. */
  readonly directory: string;
  /** Told where the copy goes before it is made. */
  readonly onCopy?: (path: string, bytes: bigint) => void;
  /** Told now and then how many updates were read for the index of payment ids. */
  readonly onIndex?: (updates: number) => void;
  readonly signal?: AbortSignal;
}

export interface RepairReport {
  /** What was wrong, in words; empty: nothing was. */
  readonly details: readonly string[];
  /** The database as it was found; undefined where nothing was wrong. */
  readonly copy: string | undefined;
  /** The database counts as one that lost data, of this repair or of an earlier day. */
  readonly lost: boolean;
  /** The index by which a payment id pays once, made anew; undefined where nothing was wrong. */
  readonly index: RebuiltIndex | undefined;
}

/**
 * Makes a damaged database one that opens, after copying it: carries over what can be read, puts aside what cannot,
 * and marks it as one that lost data, so that its node signs nothing before its peers have shown what they hold.
 * Spending is frozen, since limits and tokens may be among what is gone. The index of payment ids is made anew from the
 * payments that are left.
 *
 * Throws `StoreError`: `database_locked`, `database_newer`, `database_foreign`, also where nothing is, `disk_full`.
 */
export async function repairDatabase({
  directory,
  onCopy,
  onIndex,
  signal,
}: RepairOptions): Promise<RepairReport> {
  const path = resolve(directory);
  const copy = await copied(path, onCopy, signal);
  const database = await openDatabase(path, {
    repair: true,
    inspect: unusable,
    ...(signal && { signal }),
  });
  try {
    const { details, lost, epoch: losses } = database.integrity;
    if (details.length === 0) {
      await rm(copy, { recursive: true, force: true });
      return { details, lost, copy: undefined, index: undefined };
    }
    await freeze(new Records(database.store, database.committer));
    const index = await rebuildPaymentIndex({ ...database, losses }, { signal, onProgress: onIndex });
    return { details, lost, copy, index };
  } finally {
    await database.close();
  }
}

/** A copy that shares nothing with the database. Nobody else may be at work on it meanwhile. */
async function copied(
  path: string,
  onCopy: RepairOptions["onCopy"],
  signal: AbortSignal | undefined,
): Promise<string> {
  const names = new Set(await readdir(path).catch(() => []));
  if (!names.has("level") && !names.has("mark")) {
    throw new StoreError("database_foreign", `there is no database in ${path}`, { moneyAtStake: false });
  }
  const copy = `${path}.before-repair-${Date.now()}`;
  const lock = await DatabaseLock.acquire(join(path, "lock"), path);
  try {
    const bytes = await sizeOf(path);
    const { bavail, bsize } = await statfs(dirname(path), { bigint: true });
    // Once for the copy, once for the database that is made anew.
    if (bavail * bsize < 2n * bytes) {
      const text = `${2n * bytes} bytes are needed for a copy and the repair, ${bavail * bsize} are free`;
      throw new StoreError("disk_full", text, { moneyAtStake: true });
    }
    onCopy?.(copy, bytes);
    signal?.throwIfAborted();
    await cp(path, copy, {
      recursive: true,
      errorOnExist: true,
      filter: (from) => from !== join(path, "lock"),
    });
    return copy;
  } finally {
    await lock.release();
  }
}

async function sizeOf(path: string): Promise<bigint> {
  let bytes = 0n;
  for (const name of await readdir(path, { recursive: true })) {
    const { size } = await stat(join(path, name));
    bytes += BigInt(size);
  }
  return bytes;
}

async function freeze(records: Records): Promise<void> {
  const { namespace, key } = FREEZE_RECORD;
  if ((await records.get<Frozen>(namespace, key)) !== undefined) return;
  const reason = "the database was repaired: look at limits and access tokens";
  const frozen: Frozen = { since: Math.floor(Date.now() / 1000), reason };
  await records.put(namespace, key, frozen, { sync: true });
}

interface OpenIntents {
  readonly keys: Map<string, Uint8Array>;
  damaged: boolean;
  nonces: { readonly key: Uint8Array; readonly open: readonly string[] } | undefined;
}

/** Records of the chain's journals without which a node would not start, or would wait for what nobody sends. */
export const unusable: Inspect = async (entries) => {
  const named: { key: Uint8Array; why: string }[] = [];
  const outboxes = new Map<string, OpenIntents>();
  for await (const [key, payload] of entries) {
    if (key[0] !== KEYSPACE.chain && key[0] !== KEYSPACE.publisher) continue;
    const [, prefix = "", record = ""] = /^([^/]*\/[^/]*\/)(.*)$/.exec(new TextDecoder().decode(key)) ?? [];
    const of = outboxes.get(prefix) ?? { keys: new Map(), damaged: false, nonces: undefined };
    outboxes.set(prefix, of);
    try {
      const value = readJournalRecord(record, payload);
      if (key[0] === KEYSPACE.publisher) note(of, key, record, value);
    } catch {
      of.damaged = true;
      named.push({ key, why: `the journal's record ${record} is damaged` });
    }
  }
  for (const of of outboxes.values()) named.push(...forgotten(of));
  return named;
};

function note(of: OpenIntents, key: Uint8Array, record: string, value: unknown): void {
  if (record === "nonces") of.nonces = { key, open: (value as { open: readonly string[] }).open };
  if (!record.startsWith("intent/")) return;
  const intent: IntentRecord = intentFromJson(value);
  if (intent.outcome === undefined) of.keys.set(intent.id, key);
}

/** Transactions under way of which nobody knows the whole: what they were for is done again where it is still wanted. */
function forgotten({ keys, damaged, nonces }: OpenIntents): { key: Uint8Array; why: string }[] {
  const open = new Set(nonces?.open);
  const isWhole = open.size === keys.size && [...open].every((id) => keys.has(id));
  if (isWhole && !damaged) return [];
  const dropped = [...keys].map(([id, key]) => ({
    key,
    why: `the transaction ${id} is not followed any more`,
  }));
  return nonces === undefined
    ? dropped
    : [...dropped, { key: nonces.key, why: "the account's nonces are read anew" }];
}

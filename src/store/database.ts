import { type ChannelTally, channelSequence } from "./channelSequence.ts";
import { CheckedReader } from "./checkedReader.ts";
import { type CommitRecord, decodeCommitRecord } from "./commitRecord.ts";
import { unframe } from "./frame.ts";
import { GroupCommit } from "./groupCommit.ts";
import { decodeIdentity, encodeIdentity, type Identity } from "./identity.ts";
import { COMMIT_KEY, channelRange, IDENTITY_KEY, KEYSPACE, LOSS_KEY } from "./keys.ts";
import { damagedError } from "./levelStore.ts";
import { decodeLoss, encodeLoss, type Loss, NO_LOSS } from "./loss.ts";
import type { Mark } from "./mark.ts";
import { migrate, newerError, SCHEMA, type SchemaPlan, writeCommit } from "./migration.ts";
import type { Entry, Op, Store, StoreReader } from "./store.ts";
import { StoreError } from "./storeError.ts";

/** What the check at opening found, now or at an earlier opening that has not been dealt with. */
export interface Integrity {
  /**
   * Whether acknowledged data may be missing. Then every channel counts as behind until its peer has shown what it
   * holds, and the chain is searched for channels whose record is gone.
   */
  readonly lost: boolean;
  /** How many losses this database has had; see `Loss`. */
  readonly epoch: number;
  /** What was found at this opening, for the log. */
  readonly details: readonly string[];
  /** Says, durably, that every channel has been re-established. */
  settle(): Promise<void>;
}

/** Says which of these records, checked and in the order of their keys, cannot be used, and why. */
export type Inspect = (
  entries: AsyncIterable<Entry>,
) => Promise<readonly { readonly key: Uint8Array; readonly why: string }[]>;

/** An open database. */
export interface Database {
  /** Reads; each value is checked. Sees what has been written, synced or not. */
  readonly store: StoreReader;
  /** The only way to write. */
  readonly committer: GroupCommit;
  readonly integrity: Integrity;
  /** Makes everything durable and lets go. */
  close(): Promise<void>;
}

export interface DatabaseParts {
  readonly store: Store;
  readonly mark: Mark;
  /** How to call it in errors. */
  readonly name: string;
  /** What is already known to be wrong. */
  readonly found?: readonly string[];
  readonly schema?: SchemaPlan;
  /** How long an unsynced commit may wait for its sync; the committer's default if not given. */
  readonly syncAfterMs?: number | undefined;
  /** Moves away whatever no reader could use. */
  readonly repair?: { readonly inspect: Inspect | undefined };
}

/**
 * Opens or creates a Rivulet database in a store: checks that it is one and holds what its mark says it must,
 * migrates it, and records a loss. On an error nothing was written and the store is still open.
 */
export async function openDatabaseOn(parts: DatabaseParts): Promise<Database> {
  const { store, mark } = parts;
  const plan = parts.schema ?? SCHEMA;
  const found = [...(parts.found ?? [])];
  const meta = await readMeta(store);
  if (meta === "empty") return create(parts, plan, found);
  const identity = identify(parts, meta, found);
  if (identity.schema > plan.version) throw newerError(parts.name, identity.schema, plan.version);
  const scan = await scanChannels(store, meta.commit, found);
  const rest = parts.repair === undefined ? [] : await scanRest(store, parts.repair.inspect, found);
  checkHead(meta, mark, found);
  let loss = meta.loss;
  let head: CommitRecord = { ...(meta.commit ?? NO_COMMIT) };
  if (found.length > 0) {
    loss = { epoch: meta.loss.epoch + 1, settled: false };
    // Numbers beyond the mark: those up to it have been given to commits that are gone.
    const sequence = Math.max(head.sequence, mark.state.sequence);
    head = await writeCommit(store, mark, { ...scan.tally, sequence, syncedThrough: sequence }, [
      { type: "put", key: LOSS_KEY, value: encodeLoss(loss) },
      { type: "put", key: IDENTITY_KEY, value: encodeIdentity(identity) },
    ]);
    await quarantine(store, [...scan.bad, ...rest]);
  }
  head = await migrate(store, mark, head, identity.schema, plan);
  return assemble(parts, head, loss, found);
}

const NO_COMMIT: CommitRecord = { sequence: 0, syncedThrough: 0, channels: 0, channelSequences: 0 };

interface Meta {
  readonly identity: Identity | undefined;
  readonly commit: CommitRecord | undefined;
  readonly loss: Loss;
  /** Names of records that are there but fail their checksum or make no sense. */
  readonly bad: readonly string[];
}

async function readMeta(store: Store): Promise<Meta | "empty"> {
  const keys = [IDENTITY_KEY, COMMIT_KEY, LOSS_KEY];
  const framed = await store.getMany(keys);
  if (framed.every((value) => value === undefined) && (await isEmpty(store))) return "empty";
  const bad: string[] = [];
  const read = <T>(
    i: number,
    name: string,
    decode: (payload: Uint8Array) => T | undefined,
  ): T | undefined => {
    const value = framed[i];
    if (value === undefined) return undefined;
    const payload = unframe(keys[i]!, value);
    const decoded = payload && decode(payload);
    if (decoded === undefined) bad.push(`the ${name} record is damaged`);
    return decoded;
  };
  const identity = read(0, "identity", decodeIdentity);
  const commit = read(1, "commit", decodeCommitRecord);
  const loss = read(2, "loss", decodeLoss) ?? NO_LOSS;
  return { identity, commit, loss, bad };
}

async function isEmpty(store: Store): Promise<boolean> {
  for await (const _ of store.range({ gte: new Uint8Array(0), lt: Uint8Array.of(0xff), limit: 1 }))
    return false;
  return true;
}

function identify(parts: DatabaseParts, meta: Meta, found: string[]): Identity {
  found.push(...meta.bad);
  const marked = parts.mark.state;
  if (meta.identity === undefined) {
    if (meta.commit === undefined && found.length === 0) {
      throw new StoreError("database_foreign", foreignMessage(parts.name), { moneyAtStake: false });
    }
    found.push("the identity record is missing");
    return { id: marked.id, schema: marked.schema };
  }
  if (Buffer.compare(meta.identity.id, marked.id) !== 0) {
    found.push("the high-water mark belongs to another database");
  }
  return { id: marked.id, schema: meta.identity.schema };
}

/** What is said of a directory that holds something else. */
export function foreignMessage(name: string): string {
  return `${name} holds something that is not a Rivulet database. It was left alone: choose an empty directory.`;
}

async function create(parts: DatabaseParts, plan: SchemaPlan, found: string[]): Promise<Database> {
  const { store, mark } = parts;
  const { id, sequence } = mark.state;
  if (sequence > 0 && found.length === 0) {
    throw damagedError(parts.name, [`it is empty, though ${sequence} commits had been written to it`]);
  }
  const loss = found.length > 0 ? { epoch: 1, settled: false } : NO_LOSS;
  mark.setSchema(plan.version);
  const head = await writeCommit(store, mark, { ...NO_COMMIT, sequence }, [
    { type: "put", key: IDENTITY_KEY, value: encodeIdentity({ id, schema: plan.version }) },
    { type: "put", key: LOSS_KEY, value: encodeLoss(loss) },
  ]);
  return assemble(parts, head, loss, found);
}

function checkHead(meta: Meta, mark: Mark, found: string[]): void {
  const head = meta.commit?.sequence;
  if (head === undefined) found.push("the commit record is missing");
  else if (head < mark.state.sequence) {
    found.push(`commits ${head + 1} to ${mark.state.sequence} were durable and are missing`);
  }
}

/** Reads every channel record: its checksum, and with all of them together their high-water mark. */
async function scanChannels(store: Store, commit: CommitRecord | undefined, found: string[]) {
  const tally: ChannelTally = { channels: 0, channelSequences: 0 };
  const bad: Entry[] = [];
  for await (const entry of store.range(channelRange())) {
    const payload = unframe(entry[0], entry[1]);
    if (payload === undefined || payload.length < 8) {
      bad.push(entry);
      continue;
    }
    tally.channels += 1;
    tally.channelSequences += channelSequence(payload);
  }
  for (const [key] of bad) found.push(`channel record ${Buffer.from(key).toString("hex")} is damaged`);
  if (commit === undefined) return { tally, bad };
  if (commit.channels !== tally.channels) {
    found.push(`there are ${tally.channels} channel records where there must be ${commit.channels}`);
  } else if (commit.channelSequences !== tally.channelSequences) {
    found.push(
      `channel records have ${commit.channelSequences - tally.channelSequences} fewer changes than were made`,
    );
  }
  return { tally, bad };
}

/** Looks at every record but the channels': those that no reader could use. */
async function scanRest(
  store: Store,
  inspect: Inspect | undefined,
  found: string[],
): Promise<readonly Entry[]> {
  const bad: Entry[] = [];
  const range = { gte: Uint8Array.of(KEYSPACE.channel + 1), lt: Uint8Array.of(KEYSPACE.quarantine) };
  const readable = async function* (): AsyncGenerator<Entry> {
    for await (const [key, framed] of store.range(range)) {
      const payload = unframe(key, framed);
      if (payload === undefined) bad.push([key, framed]);
      else yield [key, payload];
    }
  };
  const named = (await inspect?.(readable())) ?? (await drain(readable()));
  if (bad.length > 0) found.push(`${bad.length} other records are damaged`);
  for (const { key, why } of named) {
    found.push(why);
    const framed = await store.get(key);
    if (framed !== undefined) bad.push([key, framed]);
  }
  return bad;
}

async function drain(entries: AsyncIterable<Entry>): Promise<[]> {
  for await (const _ of entries);
  return [];
}

/** Moves damaged records out of the way of readers, without throwing them away. */
async function quarantine(store: Store, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  const ops = entries.flatMap(([key, value]): Op[] => [
    { type: "put", key: Uint8Array.of(KEYSPACE.quarantine, ...key), value },
    { type: "del", key },
  ]);
  await store.write(ops, { sync: true });
}

function assemble(parts: DatabaseParts, head: CommitRecord, loss: Loss, found: string[]): Database {
  const { store, mark } = parts;
  const committer = new GroupCommit({
    store,
    head,
    recordMark: (sequence) => mark.record(sequence),
    ...(parts.syncAfterMs === undefined ? {} : { syncAfterMs: parts.syncAfterMs }),
  });
  return {
    store: new CheckedReader(store),
    committer,
    integrity: {
      lost: !loss.settled,
      epoch: loss.epoch,
      details: found,
      settle: () => {
        const settled = encodeLoss({ epoch: loss.epoch, settled: true });
        return committer.commit([{ type: "put", key: LOSS_KEY, value: settled }], { sync: true });
      },
    },
    close: async () => {
      try {
        await committer.close();
      } finally {
        try {
          await store.close();
        } finally {
          mark.close();
        }
      }
    },
  };
}

import { tally } from "./channelSequence.ts";
import { CheckedReader } from "./checkedReader.ts";
import { type CommitRecord, encodeCommitRecord } from "./commitRecord.ts";
import { frame } from "./frame.ts";
import { encodeIdentity } from "./identity.ts";
import { COMMIT_KEY, IDENTITY_KEY } from "./keys.ts";
import type { Mark } from "./mark.ts";
import type { Op, Store, StoreReader } from "./store.ts";
import { StoreError } from "./storeError.ts";

/** One step from the schema before it. */
export interface Migration {
  /** The schema this step leads to; it starts from the one before. */
  readonly to: number;
  /**
   * Everything that changes, written in one atomic synced batch together with the new schema. A channel record that
   * is put again has its sequence raised by one, as always.
   */
  run(reader: StoreReader): Promise<readonly Op[]>;
}

/** The schema this version reads and writes, and the steps that lead to it. */
export interface SchemaPlan {
  readonly version: number;
  readonly migrations: readonly Migration[];
}

/**
 * Schema 1: the keyspaces of keys.ts, values framed as frame.ts says. Schema 2: stored updates carry a time, and
 * `record` holds JSON. What schema 1 wrote is still read, so nothing is rewritten: the number alone keeps older
 * versions from a database they would misread.
 */
export const SCHEMA: SchemaPlan = { version: 2, migrations: [{ to: 2, run: async () => [] }] };

/** The refusal of a database from the future. */
export function newerError(directory: string, found: number, known: number): StoreError {
  return new StoreError(
    "database_newer",
    `The database in ${directory} has schema ${found}; this version of Rivulet knows schemas up to ${known}. ` +
      "Nothing was changed. Start it with the newer version that wrote it; your channels need a running node " +
      "before a challenge period runs out.",
    { moneyAtStake: true },
  );
}

/** Writes one batch outside of the group committer, synced, and raises the mark. Returns the new head. */
export async function writeCommit(
  store: Store,
  mark: Mark,
  head: CommitRecord,
  ops: readonly Op[],
): Promise<CommitRecord> {
  const next = { ...head, sequence: head.sequence + 1, syncedThrough: head.sequence };
  for (const op of ops) tally(next, op);
  const record: Op = { type: "put", key: COMMIT_KEY, value: encodeCommitRecord(next) };
  const framed = [record, ...ops].map(
    (op): Op => (op.type === "put" ? { type: "put", key: op.key, value: frame(op.key, op.value) } : op),
  );
  await store.write(framed, { sync: true });
  mark.record(next.sequence);
  return next;
}

/** Takes the database from `schema` to the plan's, step by step. Returns the new head. */
export async function migrate(
  store: Store,
  mark: Mark,
  start: CommitRecord,
  schema: number,
  plan: SchemaPlan,
): Promise<CommitRecord> {
  let head = start;
  for (let to = schema + 1; to <= plan.version; to++) {
    const step = plan.migrations.find((migration) => migration.to === to);
    if (step === undefined) throw new Error(`there is no migration to schema ${to}`);
    const ops = await step.run(new CheckedReader(store));
    // The mark first: an older version that finds the step half done must not touch what it does not know.
    mark.setSchema(to);
    const identity = encodeIdentity({ schema: to, id: mark.state.id });
    head = await writeCommit(store, mark, head, [
      ...ops,
      { type: "put", key: IDENTITY_KEY, value: identity },
    ]);
  }
  return head;
}

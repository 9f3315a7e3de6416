import { ByteReader, MalformedBytes } from "./byteReader.ts";
import { type CommitRecord, decodeCommitRecord } from "./commitRecord.ts";
import { unframe } from "./frame.ts";
import { COMMIT_KEY, compareKeys } from "./keys.ts";
import type { Version } from "./levelTable.ts";

const PUT = 1;
const DELETE = 0;

/** One write batch of LevelDB's log. */
export interface LoggedBatch {
  /** LevelDB numbers every operation; a batch begins where the one before it ended. */
  readonly first: number;
  readonly next: number;
  /** The committer's record, which is the first operation; absent in batches it did not write. */
  readonly commit: CommitRecord | undefined;
}

/** Sequence (8), count (4), operations: as much of a batch as its place in the log takes. Undefined if malformed. */
export function readBatch(payload: Uint8Array): LoggedBatch | undefined {
  return orUndefined(() => {
    const reader = new ByteReader(payload);
    const first = reader.uint64();
    const next = first + reader.uint32();
    let commit: CommitRecord | undefined;
    if (!reader.done && reader.bytes(1)[0] === PUT && compareKeys(reader.slice(), COMMIT_KEY) === 0) {
      const record = unframe(COMMIT_KEY, reader.slice());
      commit = record && decodeCommitRecord(record);
    }
    return { first, next, commit };
  });
}

/** All operations of a batch, in order; none if it is malformed, for a batch is all or nothing. */
export function batchVersions(payload: Uint8Array): Version[] {
  const versions = orUndefined(() => {
    const reader = new ByteReader(payload);
    let sequence = reader.uint64();
    reader.uint32();
    const read: Version[] = [];
    while (!reader.done) {
      const type = reader.bytes(1)[0];
      if (type !== PUT && type !== DELETE) throw new MalformedBytes("there is no such operation");
      const key = reader.slice();
      read.push({ key, sequence: sequence++, value: type === PUT ? reader.slice() : undefined });
    }
    return read;
  });
  return versions ?? [];
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

/**
 * The record at the head of every batch. Numbers stay below 2^53: at 100,000 commits a second that is 2,800 years.
 */
export interface CommitRecord {
  /** Number of this commit; each batch is one more than the batch before it. */
  readonly sequence: number;
  /**
   * Every commit up to this one was durable when this batch was written. Found in a log behind a broken place,
   * it tells damage (what is broken had been synced) from the torn end of a power cut (it had not).
   */
  readonly syncedThrough: number;
  /** How many channel records there are. */
  readonly channels: number;
  /**
   * Sum of the sequences of all channel records: their high-water mark. One record that is missing, or that an
   * older version of itself has replaced, and the sum over the records found is another.
   */
  readonly channelSequences: number;
}

const BYTES = 32;

/** Four big-endian 64-bit integers, in the order of the fields. */
export function encodeCommitRecord(record: CommitRecord): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  setSafeUint64(view, 0, record.sequence);
  setSafeUint64(view, 8, record.syncedThrough);
  setSafeUint64(view, 16, record.channels);
  setSafeUint64(view, 24, record.channelSequences);
  return bytes;
}

/** Undefined for anything that `encodeCommitRecord` does not write. */
export function decodeCommitRecord(bytes: Uint8Array): CommitRecord | undefined {
  if (bytes.length !== BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const record = {
    sequence: getUint64(view, 0),
    syncedThrough: getUint64(view, 8),
    channels: getUint64(view, 16),
    channelSequences: getUint64(view, 24),
  };
  return Object.values(record).every(Number.isSafeInteger) ? record : undefined;
}

/** Big-endian; `value` is a safe integer of zero or more. */
export function setSafeUint64(view: DataView, offset: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a count`);
  view.setUint32(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 4, value >>> 0);
}

/** Big-endian; exact up to 2^53. */
export function getUint64(view: DataView, offset: number): number {
  return view.getUint32(offset) * 2 ** 32 + view.getUint32(offset + 4);
}

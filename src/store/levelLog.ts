import type { MaskedCrc32c } from "./crc32c.ts";

/** LevelDB's log format (doc/log_format.md): blocks of 32 KiB, records of a 7-byte header and a fragment. */
const BLOCK = 32_768;
const HEADER = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** One logical record: what the writer appended at once. */
export interface LogRecord {
  /** Where its first fragment begins. */
  readonly offset: number;
  readonly payload: Uint8Array;
}

export interface LogScan {
  readonly records: readonly LogRecord[];
  /** Where the file stops being a log, if before its end: nothing from here on is part of `records`. */
  readonly brokenAt?: { readonly offset: number; readonly reason: string };
}

interface Fragment {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly end: number;
}

/**
 * Reads a log strictly: the first thing wrong ends it. LevelDB's own reader instead goes on, dropping what is broken,
 * and takes any record that reaches beyond the end of the file for one that was being written.
 */
export function scanLog(bytes: Uint8Array, crc: MaskedCrc32c, start = 0): LogScan {
  const records: LogRecord[] = [];
  let parts: Uint8Array[] = [];
  let recordAt = start;
  let offset = start;
  for (;;) {
    offset = skipTrailer(offset);
    if (offset >= bytes.length) break;
    const fragment = readFragment(bytes, offset, crc);
    if (typeof fragment === "string")
      return { records, brokenAt: { offset: parts.length > 0 ? recordAt : offset, reason: fragment } };
    const begins = fragment.type === FULL || fragment.type === FIRST;
    if (begins !== (parts.length === 0)) {
      return {
        records,
        brokenAt: { offset: parts.length > 0 ? recordAt : offset, reason: "a fragment is missing" },
      };
    }
    if (begins) recordAt = offset;
    parts.push(fragment.payload);
    offset = fragment.end;
    if (fragment.type === FULL || fragment.type === LAST) {
      records.push({ offset: recordAt, payload: parts.length === 1 ? parts[0]! : Buffer.concat(parts) });
      parts = [];
    }
  }
  if (parts.length > 0)
    return { records, brokenAt: { offset: recordAt, reason: "the last record is not whole" } };
  return { records };
}

/** Every whole record that can be found behind a broken place, whatever lies between them. */
export function scanBehind(bytes: Uint8Array, crc: MaskedCrc32c, brokenAt: number): LogRecord[] {
  const found: LogRecord[] = [];
  let offset = brokenAt + 1;
  while (offset + HEADER <= bytes.length) {
    const fragment = readFragment(bytes, offset, crc);
    if (typeof fragment === "string" || (fragment.type !== FULL && fragment.type !== FIRST)) {
      offset += 1;
      continue;
    }
    const scan = scanLog(bytes, crc, offset);
    found.push(...scan.records);
    if (scan.brokenAt === undefined) break;
    offset = Math.max(offset, scan.brokenAt.offset) + 1;
  }
  return found;
}

/** The last bytes of a block hold no header when fewer than seven are left. */
function skipTrailer(offset: number): number {
  const left = BLOCK - (offset % BLOCK);
  return left < HEADER ? offset + left : offset;
}

function readFragment(bytes: Uint8Array, offset: number, crc: MaskedCrc32c): Fragment | string {
  if (offset + HEADER > bytes.length) return "a header is cut off";
  const left = BLOCK - (offset % BLOCK);
  const length = bytes[offset + 4]! | (bytes[offset + 5]! << 8);
  const type = bytes[offset + 6]!;
  const end = offset + HEADER + length;
  if (type < FULL || type > LAST) return `there is no record of type ${type}`;
  if (HEADER + length > left) return "a record is longer than its block";
  if (end > bytes.length) return "the last record is cut off";
  const stored = new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0, true);
  if (crc(bytes.subarray(offset + 6, end)) !== stored) return "a checksum does not match";
  return { type, payload: bytes.subarray(offset + HEADER, end), end };
}

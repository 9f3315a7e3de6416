import { ByteReader, MalformedBytes } from "./byteReader.ts";

/** What LevelDB's manifest says the database consists of. */
export interface LevelVersion {
  /** Logs with this number or a higher one are part of the database. */
  readonly logNumber: number;
  /** LevelDB's own sequence at the time of the last edit. */
  readonly lastSequence: number;
  /** Live tables: number → size in bytes. */
  readonly tables: ReadonlyMap<number, number>;
}

/** Field tags of a version edit (db/version_edit.cc). */
const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  prevLogNumber: 9,
} as const;

/** Applies the manifest's version edits in order. Throws `MalformedBytes` on anything LevelDB does not write. */
export function readManifest(edits: Iterable<Uint8Array>): LevelVersion {
  const version = { logNumber: 0, lastSequence: 0, tables: new Map<number, number>() };
  for (const edit of edits) {
    const added: [number, number][] = [];
    const deleted: number[] = [];
    applyEdit(new ByteReader(edit), version, added, deleted);
    // A file that only moves to another level is deleted and added in one edit.
    for (const number of deleted) version.tables.delete(number);
    for (const [number, size] of added) version.tables.set(number, size);
  }
  return version;
}

function applyEdit(
  reader: ByteReader,
  version: { logNumber: number; lastSequence: number },
  added: [number, number][],
  deleted: number[],
): void {
  while (!reader.done) {
    const tag = reader.varint();
    switch (tag) {
      case TAG.comparator:
        reader.slice();
        break;
      case TAG.logNumber:
        version.logNumber = reader.varint();
        break;
      case TAG.lastSequence:
        version.lastSequence = reader.varint();
        break;
      case TAG.compactPointer:
        reader.varint();
        reader.slice();
        break;
      case TAG.deletedFile:
        reader.varint();
        deleted.push(reader.varint());
        break;
      case TAG.newFile: {
        reader.varint();
        added.push([reader.varint(), reader.varint()]);
        reader.slice();
        reader.slice();
        break;
      }
      case TAG.nextFile:
      case TAG.prevLogNumber:
        reader.varint();
        break;
      default:
        throw new MalformedBytes(`there is no version edit field ${tag}`);
    }
  }
}

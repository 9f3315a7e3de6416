import { ByteReader, MalformedBytes } from "./byteReader.ts";
import type { MaskedCrc32c } from "./crc32c.ts";

/** LevelDB's table format (doc/table_format.md): blocks with 5-byte trailers, and a footer of 48 bytes. */
const FOOTER = 48;
const TRAILER = 5;
const MAGIC = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb);

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/**
 * What is wrong with a table file, or undefined. Checks the checksum of every block and that blocks and footer
 * make up the whole file. LevelDB itself checks none of it when it reads.
 */
export function tableFault(file: Uint8Array, crc: MaskedCrc32c): string | undefined {
  try {
    return checkTable(file, crc);
  } catch (error) {
    if (error instanceof MalformedBytes) return error.message;
    throw error;
  }
}

/** One version of one key. LevelDB numbers every operation it has ever done; the highest number of a key counts. */
export interface Version {
  readonly key: Uint8Array;
  readonly sequence: number;
  /** Undefined for a removal. */
  readonly value: Uint8Array | undefined;
}

/**
 * Every version in the table's unbroken blocks, sorted by key, the newest version of a key first; nothing if its
 * index is broken. LevelDB must never be given a broken block to read: it ends the process.
 */
export function* tableVersions(file: Uint8Array, crc: MaskedCrc32c): Generator<Version, undefined> {
  let handles: Handle[];
  try {
    handles = readHandles(file, crc).data;
  } catch (error) {
    if (error instanceof MalformedBytes) return;
    throw error;
  }
  for (const handle of handles) {
    if (blockFault(file, handle, crc) === undefined) yield* blockVersions(blockOf(file, handle));
  }
}

function checkTable(file: Uint8Array, crc: MaskedCrc32c): string | undefined {
  const { data, others } = readHandles(file, crc);
  let covered = FOOTER;
  for (const handle of [...data, ...others]) {
    covered += handle.size + TRAILER;
    const fault = blockFault(file, handle, crc);
    if (fault !== undefined) return fault;
  }
  return covered === file.length ? undefined : "blocks are missing";
}

/** Where all blocks are: those with data, and the filter, the index and the filter's index. */
function readHandles(file: Uint8Array, crc: MaskedCrc32c): { data: Handle[]; others: Handle[] } {
  if (file.length < FOOTER) throw new MalformedBytes("it is cut off");
  const footer = file.subarray(file.length - FOOTER);
  if (Buffer.compare(footer.subarray(FOOTER - 8), MAGIC) !== 0)
    throw new MalformedBytes("its end is not a table's");
  const reader = new ByteReader(footer);
  const meta = readHandle(reader);
  const index = readHandle(reader);
  const [filters, data] = [meta, index].map((handle) => {
    const fault = blockFault(file, handle, crc);
    if (fault !== undefined) throw new MalformedBytes(fault);
    return blockEntries(blockOf(file, handle)).map(([, value]) => readHandle(new ByteReader(value)));
  });
  return { data: data!, others: [meta, index, ...filters!] };
}

function blockOf(file: Uint8Array, handle: Handle): Uint8Array {
  return file.subarray(handle.offset, handle.offset + handle.size);
}

function readHandle(reader: ByteReader): Handle {
  return { offset: reader.varint(), size: reader.varint() };
}

function blockFault(file: Uint8Array, handle: Handle, crc: MaskedCrc32c): string | undefined {
  const end = handle.offset + handle.size;
  if (end + TRAILER > file.length - FOOTER) return "a block lies outside of it";
  const stored = new DataView(file.buffer, file.byteOffset + end + 1, 4).getUint32(0, true);
  if (crc(file.subarray(handle.offset, end + 1)) !== stored)
    return `the block at ${handle.offset} fails its checksum`;
  return file[end] === 0 ? undefined : `the block at ${handle.offset} is compressed`;
}

/** A block's entries. Each key is stored as how much it shares with the one before it, and the rest. */
function blockEntries(block: Uint8Array): [key: Uint8Array, value: Uint8Array][] {
  if (block.length < 4) throw new MalformedBytes("a block is cut off");
  const restarts = new ByteReader(block, block.length - 4).uint32();
  const end = block.length - 4 - restarts * 4;
  const entries: [Uint8Array, Uint8Array][] = [];
  const reader = new ByteReader(block);
  let key = new Uint8Array(0);
  while (reader.offset < end) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueBytes = reader.varint();
    if (shared > key.length) throw new MalformedBytes("a key shares more than there is");
    const next = new Uint8Array(shared + unshared);
    next.set(key.subarray(0, shared));
    next.set(reader.bytes(unshared), shared);
    key = next;
    entries.push([key, reader.bytes(valueBytes)]);
  }
  return entries;
}

/** A data block's keys end in 8 bytes: the sequence and, lowest, whether this is a value or a removal. */
function* blockVersions(block: Uint8Array): Generator<Version, undefined> {
  for (const [internal, value] of blockEntries(block)) {
    const split = internal.length - 8;
    if (split < 0) throw new MalformedBytes("a key is cut off");
    const low = new DataView(internal.buffer, internal.byteOffset + split, 8);
    const sequence = low.getUint32(4, true) * 2 ** 24 + (low.getUint32(0, true) >>> 8);
    yield { key: internal.subarray(0, split), sequence, value: internal[split] === 1 ? value : undefined };
  }
}

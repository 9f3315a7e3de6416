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

function checkTable(file: Uint8Array, crc: MaskedCrc32c): string | undefined {
  if (file.length < FOOTER) return "it is cut off";
  const footer = file.subarray(file.length - FOOTER);
  if (Buffer.compare(footer.subarray(FOOTER - 8), MAGIC) !== 0) return "its end is not a table's";
  const reader = new ByteReader(footer);
  const meta = readHandle(reader);
  const index = readHandle(reader);
  const blocks = [meta, index];
  for (const handle of [meta, index]) {
    const fault = blockFault(file, handle, crc);
    if (fault !== undefined) return fault;
    for (const value of blockValues(file.subarray(handle.offset, handle.offset + handle.size))) {
      blocks.push(readHandle(new ByteReader(value)));
    }
  }
  let covered = FOOTER;
  for (const handle of blocks) covered += handle.size + TRAILER;
  if (covered !== file.length) return "blocks are missing";
  for (const handle of blocks.slice(2)) {
    const fault = blockFault(file, handle, crc);
    if (fault !== undefined) return fault;
  }
  return undefined;
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

/** The values of an index block; keys are skipped. */
function blockValues(block: Uint8Array): Uint8Array[] {
  if (block.length < 4) throw new MalformedBytes("a block is cut off");
  const restarts = new ByteReader(block, block.length - 4).uint32();
  const end = block.length - 4 - restarts * 4;
  const values: Uint8Array[] = [];
  const reader = new ByteReader(block);
  while (reader.offset < end) {
    reader.varint();
    const keyBytes = reader.varint();
    const valueBytes = reader.varint();
    reader.bytes(keyBytes);
    values.push(reader.bytes(valueBytes));
  }
  return values;
}

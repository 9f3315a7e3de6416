import { createCRC32 } from "hash-wasm";

/** The polynomial of CRC-32C (Castagnoli), reflected: what LevelDB guards its files with. */
const CASTAGNOLI = 0x82f63b78;
/** LevelDB stores checksums of checksums' neighbours masked, so that data holding a checksum does not look like one. */
const MASK_DELTA = 0xa282ead8;

/** CRC-32C of `bytes`, masked as LevelDB's log and table formats store it. */
export type MaskedCrc32c = (bytes: Uint8Array) => number;

export async function createMaskedCrc32c(): Promise<MaskedCrc32c> {
  const hasher = await createCRC32(CASTAGNOLI);
  return (bytes) => {
    const digest = hasher.init().update(bytes).digest("binary");
    const crc = ((digest[0]! << 24) | (digest[1]! << 16) | (digest[2]! << 8) | digest[3]!) >>> 0;
    return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
  };
}

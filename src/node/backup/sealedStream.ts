import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { BackupError } from "./backupError.ts";
import { ByteSource } from "./byteSource.ts";

/**
 * A stream sealed under a password: `header ‖ chunk …`.
 *
 * Header: `magic(8) ‖ version(1) ‖ log2 N(1) ‖ salt(32) ‖ check(16) ‖ crc32(4)`. The key is scrypt's (r 8, p 1) of the
 * password in NFKC. Chunk: `last(1 bit), length(31 bits) ‖ AES-256-GCM ciphertext ‖ tag(16)`, with the nonce
 * `0(7) ‖ number(4) ‖ last(1)` and the header as associated data: a chunk that is changed, moved, repeated or taken
 * from another file fails, and so does an end that was not written as one (the STREAM construction).
 */
const MAGIC = Buffer.from("RVLTBKUP", "latin1");
const VERSION = 1;
const SALT = 10;
const CHECK = SALT + 32;
const CRC = CHECK + 16;
const HEADER_BYTES = CRC + 4;

/** 128 MiB and a third of a second, as the keystore's. A file may ask for up to eight times that. */
const LOG_N = 17;
const LEAST_LOG_N = 14;
const MOST_LOG_N = 20;
const R = 8;
const P = 1;

const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const LAST = 0x8000_0000;

const derive = promisify<Buffer, Uint8Array, number, object, Buffer>(scrypt);

/** Seals `plain` in chunks. */
export async function* seal(plain: AsyncIterable<Uint8Array>, password: string): AsyncGenerator<Uint8Array> {
  if (password === "") throw new BackupError("backup_password_empty");
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header[8] = VERSION;
  header[9] = LOG_N;
  randomBytes(32).copy(header, SALT);
  const { key, check } = await keyOf(password, header);
  check.copy(header, CHECK);
  header.writeUInt32BE(crc32(header.subarray(0, CRC)), CRC);
  yield header;
  let number = 0;
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of plain) {
    parts.push(bytes);
    length += bytes.length;
    if (length <= CHUNK_BYTES) continue;
    let waiting = Buffer.concat(parts);
    // The last chunk is known only at the end, so one is always kept back.
    for (; waiting.length > CHUNK_BYTES; waiting = waiting.subarray(CHUNK_BYTES)) {
      yield sealChunk(waiting.subarray(0, CHUNK_BYTES), key, header, number++, false);
    }
    parts = [waiting];
    length = waiting.length;
  }
  yield sealChunk(Buffer.concat(parts), key, header, number, true);
}

/** What was sealed, piece by piece, each piece only once it is authenticated. Throws `BackupError`. */
export async function* unseal(
  sealed: AsyncIterable<Uint8Array>,
  password: string,
): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(sealed);
  const header = await readHeader(source);
  const { key, check } = await keyOf(password, header);
  if (!timingSafeEqual(check, header.subarray(CHECK, CRC))) throw new BackupError("backup_password_wrong");
  for (let number = 0; ; number++) {
    const head = await source.take(4);
    if (head === undefined) throw new BackupError("backup_truncated");
    const word = head.readUInt32BE();
    const isLast = word >= LAST;
    const length = isLast ? word - LAST : word;
    if (length > CHUNK_BYTES) throw new BackupError("backup_damaged", `chunk ${number}`);
    const body = await source.take(length + TAG_BYTES);
    if (body === undefined) throw new BackupError("backup_truncated");
    yield openChunk(body, key, header, number, isLast);
    if (!isLast) continue;
    if ((await source.take(1)) !== undefined) throw new BackupError("backup_damaged", "bytes behind the end");
    return;
  }
}

async function readHeader(source: ByteSource): Promise<Buffer> {
  const header = await source.take(HEADER_BYTES);
  if (header === undefined || !header.subarray(0, 8).equals(MAGIC)) throw new BackupError("backup_foreign");
  if (crc32(header.subarray(0, CRC)) !== header.readUInt32BE(CRC))
    throw new BackupError("backup_damaged", "header");
  if (header[8] !== VERSION) throw new BackupError("backup_newer");
  const logN = header[9]!;
  if (logN < LEAST_LOG_N || logN > MOST_LOG_N) throw new BackupError("backup_damaged", "key derivation");
  return header;
}

/** The key, and what in the header tells a wrong password from damage. */
async function keyOf(password: string, header: Buffer): Promise<{ key: Buffer; check: Buffer }> {
  const n = 2 ** header[9]!;
  const secret = Buffer.from(password.normalize("NFKC"), "utf8");
  const options = { N: n, r: R, p: P, maxmem: 128 * R * (n + P + 2) };
  const derived = await derive(secret, header.subarray(SALT, CHECK), 64, options);
  const check = createHash("sha256").update(derived.subarray(32)).digest().subarray(0, 16);
  return { key: derived.subarray(0, 32), check };
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function sealChunk(plain: Buffer, key: Buffer, header: Buffer, number: number, isLast: boolean): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(number, isLast)).setAAD(header);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(plain.length + (isLast ? LAST : 0));
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openChunk(body: Buffer, key: Buffer, header: Buffer, number: number, isLast: boolean): Uint8Array {
  const end = body.length - TAG_BYTES;
  const cipher = createDecipheriv("aes-256-gcm", key, nonceOf(number, isLast)).setAAD(header);
  cipher.setAuthTag(body.subarray(end));
  const plain = cipher.update(body.subarray(0, end));
  try {
    return Buffer.concat([plain, cipher.final()]);
  } catch (cause) {
    throw new BackupError("backup_damaged", `chunk ${number}`, { cause });
  }
}

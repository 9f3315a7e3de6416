import type { Address } from "../../protocol/index.ts";
import { KEYSPACE } from "../../store/keys.ts";
import type { Entry } from "../../store/store.ts";
import { BackupError } from "./backupError.ts";
import { ByteSource } from "./byteSource.ts";

/**
 * What is sealed in a backup: `manifest`, entries of the database, `end`. Each is `kind(1) ‖ length(4) ‖ body`; an
 * entry's body is `key's length(2) ‖ key ‖ value`, a manifest's and an end's JSON.
 */
const MANIFEST = 1;
const ENTRY = 2;
const END = 3;

/** Far above the largest value, an update of 128 KiB. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** What a new machine needs beside the database. */
export interface BackupManifest {
  /** Unix seconds. */
  readonly createdAt: number;
  readonly mnemonic: string;
  readonly chainId: string;
  readonly escrow: Address;
  readonly account: Address;
  readonly signer: Address;
  /** The database's schema. */
  readonly schema: number;
  /** How many losses the database has had. */
  readonly losses: number;
  /** The node's settings as text, whatever its operator keeps them in; empty if none were given. */
  readonly config: string;
}

/**
 * The keyspaces a backup has. Not the store's own records, which a new database makes for itself; and not the
 * transactions under way, which the old machine has sent or replaced since.
 */
const KEPT: ReadonlySet<number> = new Set([
  KEYSPACE.channel,
  KEYSPACE.update,
  KEYSPACE.payment,
  KEYSPACE.pledge,
  KEYSPACE.chain,
  KEYSPACE.record,
  KEYSPACE.event,
  KEYSPACE.paymentTime,
]);

export function isBackedUp(key: Uint8Array): boolean {
  return KEPT.has(key[0]!);
}

/** Packs a backup's content. */
export async function* packContent(
  manifest: BackupManifest,
  entries: AsyncIterable<Entry>,
): AsyncGenerator<Uint8Array> {
  yield framed(MANIFEST, [Buffer.from(JSON.stringify(manifest))]);
  let count = 0;
  for await (const [key, value] of entries) {
    if (!isBackedUp(key)) continue;
    count++;
    yield framed(ENTRY, [Uint8Array.of(key.length >> 8, key.length & 0xff), key, value]);
  }
  yield framed(END, [Buffer.from(JSON.stringify({ entries: count }))]);
}

/** A backup's content as it is read: the manifest first, then every entry. Throws `BackupError`. */
export interface UnpackedContent {
  readonly manifest: BackupManifest;
  readonly entries: AsyncGenerator<Entry>;
}

export async function unpackContent(pieces: AsyncIterable<Uint8Array>): Promise<UnpackedContent> {
  const source = new ByteSource(pieces);
  const first = await readFrame(source);
  if (first.kind !== MANIFEST) throw new BackupError("backup_damaged", "no manifest");
  return { manifest: parse<BackupManifest>(first.body), entries: readEntries(source) };
}

async function* readEntries(source: ByteSource): AsyncGenerator<Entry> {
  for (let count = 0; ; count++) {
    const { kind, body } = await readFrame(source);
    if (kind === END) {
      if (parse<{ entries: number }>(body).entries !== count)
        throw new BackupError("backup_damaged", "entries");
      // Reading on makes sure that the seal's end is here too.
      if ((await source.take(1)) !== undefined)
        throw new BackupError("backup_damaged", "bytes behind the end");
      return;
    }
    const key = body.subarray(2, 2 + body.readUInt16BE());
    if (kind !== ENTRY || !isBackedUp(key)) throw new BackupError("backup_damaged", `entry ${count}`);
    yield [Uint8Array.from(key), Uint8Array.from(body.subarray(2 + key.length))];
  }
}

async function readFrame(source: ByteSource): Promise<{ kind: number; body: Buffer }> {
  const head = await source.take(5);
  if (head === undefined) throw new BackupError("backup_truncated");
  const length = head.readUInt32BE(1);
  if (length > MAX_BODY_BYTES) throw new BackupError("backup_damaged", "length");
  const body = await source.take(length);
  if (body === undefined) throw new BackupError("backup_truncated");
  return { kind: head[0]!, body };
}

function framed(kind: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, ...parts]);
}

function parse<Value>(body: Buffer): Value {
  try {
    return JSON.parse(body.toString("utf8")) as Value;
  } catch (cause) {
    throw new BackupError("backup_damaged", "manifest", { cause });
  }
}

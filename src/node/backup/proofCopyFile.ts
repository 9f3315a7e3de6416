import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import {
  type Channel,
  type ChannelId,
  type ChannelState,
  fromHex,
  type Hex,
  type Side,
  type SignedProof,
  toHex,
  viewOf,
} from "../../protocol/index.ts";
import { PROOF_BYTES, readProof, writeProof } from "../../store/proofLayout.ts";

/**
 * One channel's newest incoming proof, sealed: `magic(4) ‖ version(1) ‖ salt(32) ‖ AES-256-GCM of JSON ‖ tag(16)`. The
 * key comes from the signer's by HKDF with the salt, a new one per writing, so nonce zero is used once per key.
 */
const MAGIC = Buffer.from("RVLP", "latin1");
const VERSION = 1;
const SALT_BYTES = 32;
const TAG_BYTES = 16;
const HEAD_BYTES = MAGIC.length + 1 + SALT_BYTES;
const NONCE = Buffer.alloc(12);
const SUFFIX = ".proof";
/** Says when all copies were known to be the newest: a channel that is not paid has an old copy, and a true one. */
const HEARTBEAT = "heartbeat";

/** What is copied of a channel: enough to close it with, on a machine that has nothing but the mnemonic. */
export interface CopiedProof {
  readonly channelId: ChannelId;
  readonly channel: Channel;
  /** Our side. */
  readonly side: Side;
  readonly proof: SignedProof;
  /** Unix milliseconds: everything received by then is in it. */
  readonly time: number;
}

interface CopyJson {
  readonly channelId: ChannelId;
  readonly channel: Omit<Channel, "salt"> & { readonly salt: string };
  readonly side: Side;
  readonly proof: Hex;
  readonly time: number;
}

export function copyName(channelId: ChannelId): string {
  return `${channelId.slice(2)}${SUFFIX}`;
}

export function isCopyName(name: string): boolean {
  return /^[0-9a-f]{64}\.proof$/.test(name);
}

/** Writes the copy of `state`'s newest incoming proof in place of an older one, durably; the caller syncs the directory. */
export function writeCopy(
  directory: string,
  state: ChannelState,
  time: number,
  secret: Uint8Array,
): Promise<void> {
  return replaceFile(join(directory, copyName(state.id)), sealed(copyJsonOf(state, time), secret));
}

/** All copies are the newest as of `time`, Unix milliseconds. */
export function writeHeartbeat(directory: string, time: number, secret: Uint8Array): Promise<void> {
  return replaceFile(join(directory, HEARTBEAT), sealed({ time }, secret));
}

export async function readHeartbeat(directory: string, secret: Uint8Array): Promise<number | undefined> {
  const bytes = await readFile(join(directory, HEARTBEAT)).catch(() => undefined);
  const beat = bytes && (unsealed(bytes, secret) as { readonly time?: number } | undefined);
  return beat?.time;
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** The copy in a file, or undefined if it is damaged or another mnemonic's. */
export async function readCopy(path: string, secret: Uint8Array): Promise<CopiedProof | undefined> {
  const copy = unsealed(await readFile(path), secret) as CopyJson | undefined;
  if (copy?.proof === undefined) return undefined;
  const { channel, proof, ...rest } = copy;
  const packed = fromHex(proof);
  const salt = BigInt(channel.salt);
  return { ...rest, channel: { ...channel, salt }, proof: readProof(packed, viewOf(packed), 0) };
}

function copyJsonOf(state: ChannelState, time: number): CopyJson {
  const { channel } = state.terms;
  const packed = new Uint8Array(PROOF_BYTES);
  writeProof(packed, viewOf(packed), 0, state.received);
  return {
    channelId: state.id,
    channel: { ...channel, salt: channel.salt.toString() },
    side: state.side,
    proof: toHex(packed),
    time,
  };
}

function sealed(content: object, secret: Uint8Array): Uint8Array {
  const head = Buffer.concat([MAGIC, Uint8Array.of(VERSION), randomBytes(SALT_BYTES)]);
  const cipher = createCipheriv("aes-256-gcm", keyOf(secret, head), NONCE).setAAD(head);
  return Buffer.concat([head, cipher.update(JSON.stringify(content)), cipher.final(), cipher.getAuthTag()]);
}

/** What was sealed with this secret, or undefined: nothing else is parsed. */
function unsealed(bytes: Buffer, secret: Uint8Array): unknown {
  if (bytes.length < HEAD_BYTES + TAG_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined;
  if (bytes[MAGIC.length] !== VERSION) return undefined;
  const end = bytes.length - TAG_BYTES;
  const head = bytes.subarray(0, HEAD_BYTES);
  const cipher = createDecipheriv("aes-256-gcm", keyOf(secret, head), NONCE).setAAD(head);
  cipher.setAuthTag(bytes.subarray(end));
  try {
    const plain = Buffer.concat([cipher.update(bytes.subarray(HEAD_BYTES, end)), cipher.final()]);
    return JSON.parse(plain.toString("utf8"));
  } catch {
    return undefined;
  }
}

function keyOf(secret: Uint8Array, head: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, head.subarray(MAGIC.length + 1), "rivulet/proof-copy/1", 32));
}

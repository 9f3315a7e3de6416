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
export async function writeCopy(
  directory: string,
  state: ChannelState,
  time: number,
  secret: Uint8Array,
): Promise<void> {
  const bytes = sealCopy(state, time, secret);
  const path = join(directory, copyName(state.id));
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
  const bytes = await readFile(path);
  if (bytes.length < HEAD_BYTES + TAG_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined;
  if (bytes[MAGIC.length] !== VERSION) return undefined;
  const end = bytes.length - TAG_BYTES;
  const head = bytes.subarray(0, HEAD_BYTES);
  const cipher = createDecipheriv("aes-256-gcm", keyOf(secret, head), NONCE).setAAD(head);
  cipher.setAuthTag(bytes.subarray(end));
  try {
    const text = Buffer.concat([cipher.update(bytes.subarray(HEAD_BYTES, end)), cipher.final()]).toString(
      "utf8",
    );
    const { channel, proof, ...rest } = JSON.parse(text) as CopyJson;
    const packed = fromHex(proof);
    return {
      ...rest,
      channel: { ...channel, salt: BigInt(channel.salt) },
      proof: readProof(packed, viewOf(packed), 0),
    };
  } catch {
    return undefined;
  }
}

function sealCopy(state: ChannelState, time: number, secret: Uint8Array): Uint8Array {
  const { channel } = state.terms;
  const packed = new Uint8Array(PROOF_BYTES);
  writeProof(packed, viewOf(packed), 0, state.received);
  const copy: CopyJson = {
    channelId: state.id,
    channel: { ...channel, salt: channel.salt.toString() },
    side: state.side,
    proof: toHex(packed),
    time,
  };
  const head = Buffer.concat([MAGIC, Uint8Array.of(VERSION), randomBytes(SALT_BYTES)]);
  const cipher = createCipheriv("aes-256-gcm", keyOf(secret, head), NONCE).setAAD(head);
  return Buffer.concat([head, cipher.update(JSON.stringify(copy)), cipher.final(), cipher.getAuthTag()]);
}

function keyOf(secret: Uint8Array, head: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, head.subarray(MAGIC.length + 1), "rivulet/proof-copy/1", 32));
}

import { MAX_UINT64 } from "../protocol/amount.ts";
import { putUint256, viewOf } from "../protocol/bytes.ts";
import type { ChannelId } from "../protocol/channel.ts";
import { MAX_ENTRIES_BYTES } from "../protocol/entries.ts";
import type { Update } from "../protocol/ledger/update.ts";
import type { SignedProof } from "../protocol/proof.ts";
import { HASH_BYTES, SIGNATURE_BYTES } from "./bounds.ts";
import { Malformed } from "./field.ts";
import { writeVarint } from "./frame.ts";
import { Scan } from "./scan.ts";

/**
 * `Update` of rivulet.proto by hand, byte for byte what the generated codec writes (a test compares them): it is the
 * one message a node handles tens of thousands of times a second.
 */

/** Tags of `Update` and `Proof`: field number and wire type. */
const CHANNEL_ID = (1 << 3) | 2;
const PROOF = (2 << 3) | 2;
const ENTRIES = (3 << 3) | 2;
const CREDITED = 4 << 3;
const NONCE = 1 << 3;
const TRANSFERRED = (2 << 3) | 2;
const LOCKED = (3 << 3) | 2;
const LOCKS_ROOT = (4 << 3) | 2;
const HISTORY = (5 << 3) | 2;
const SIGNATURE = (6 << 3) | 2;

/** A proof with every field at its longest: two numbers of 34 bytes, one of 11, two words of 34, a signature of 67. */
const MAX_PROOF_BYTES = 11 + 2 * 34 + 2 * 34 + 67;
/** Everything but the entries. */
const MAX_HEAD_BYTES = 34 + 3 + MAX_PROOF_BYTES + 5 + 11;

/** Reused between calls: encoding is synchronous. */
const scratch = new Uint8Array(MAX_HEAD_BYTES);
const word = new Uint8Array(32);
const wordView = viewOf(word);

/** The body of an `Update`. Throws `RangeError` for what has no place in it. */
export function encodeUpdate(channelId: ChannelId, update: Update): Uint8Array {
  const { entries, proof } = update;
  if (entries.length > MAX_ENTRIES_BYTES) throw new RangeError("entries does not fit its place in a message");
  let at = putChannelId(0, channelId);
  // A proof has more than 127 and fewer than 16,384 bytes, so its length takes two.
  const proofAt = at + 3;
  const proofEnd = putProof(proofAt, proof);
  scratch[at] = PROOF;
  writeVarint(scratch, at + 1, proofEnd - proofAt);
  at = proofEnd;
  if (entries.length > 0) {
    scratch[at] = ENTRIES;
    at = writeVarint(scratch, at + 1, entries.length);
  }
  const end = putUint64(at, CREDITED, update.creditedSequence, "credited");
  const body = new Uint8Array(end + entries.length);
  for (let i = 0; i < at; i++) body[i] = scratch[i]!;
  body.set(entries, at);
  for (let i = at; i < end; i++) body[entries.length + i] = scratch[i]!;
  return body;
}

function putProof(offset: number, proof: SignedProof): number {
  let at = putUint64(offset, NONCE, proof.nonce, "nonce");
  at = putAmount(at, TRANSFERRED, proof.transferred);
  at = putAmount(at, LOCKED, proof.locked);
  at = putBytes(at, LOCKS_ROOT, proof.locksRoot, HASH_BYTES);
  at = putBytes(at, HISTORY, proof.history, HASH_BYTES);
  return putBytes(at, SIGNATURE, proof.signature, SIGNATURE_BYTES);
}

/** The value of a hexadecimal digit's character code, or NaN. */
function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : Number.NaN;
}

function putChannelId(offset: number, id: ChannelId): number {
  if (id.length !== 2 + 2 * HASH_BYTES) throw new RangeError("a channel id has 32 bytes");
  scratch[offset] = CHANNEL_ID;
  scratch[offset + 1] = HASH_BYTES;
  for (let i = 0; i < HASH_BYTES; i++) {
    const value = digitOf(id.charCodeAt(2 + 2 * i)) * 16 + digitOf(id.charCodeAt(3 + 2 * i));
    if (Number.isNaN(value)) throw new RangeError("a channel id is lower-case hex");
    scratch[offset + 2 + i] = value;
  }
  return offset + 2 + HASH_BYTES;
}

function putBytes(offset: number, tag: number, bytes: Uint8Array, length: number): number {
  if (bytes.length !== length)
    throw new RangeError("a proof's root, history or signature has another length");
  scratch[offset] = tag;
  scratch[offset + 1] = length;
  scratch.set(bytes, offset + 2);
  return offset + 2 + length;
}

function putUint64(offset: number, tag: number, value: bigint, field: string): number {
  if (value < 0n || value > MAX_UINT64) throw new RangeError(`${field} does not fit its place in a message`);
  if (value === 0n) return offset;
  scratch[offset] = tag;
  let at = offset + 1;
  let rest = value;
  while (rest > 0x7fffffffn) {
    scratch[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  return writeVarint(scratch, at, Number(rest));
}

function putAmount(offset: number, tag: number, value: bigint): number {
  if (value === 0n) return offset;
  let start = 24;
  if (value > 0n && value <= MAX_UINT64) {
    wordView.setBigUint64(24, value);
  } else {
    putUint256(wordView, 0, value);
    start = 0;
  }
  while (word[start] === 0) start++;
  scratch[offset] = tag;
  scratch[offset + 1] = 32 - start;
  let at = offset + 2;
  for (let i = start; i < 32; i++) scratch[at++] = word[i]!;
  return at;
}

/** Reads the body of an `Update`. Throws `Malformed`; what it returns shares no memory with `body`. */
export function decodeUpdate(body: Uint8Array): { channelId: ChannelId; update: Update } {
  const scan = new Scan(body, 0, body.length);
  let channelId: ChannelId | undefined;
  let proof: SignedProof | undefined;
  let entries: Uint8Array | undefined;
  let creditedSequence = 0n;
  while (scan.at < body.length) {
    const tag = scan.uint32();
    if (tag === CHANNEL_ID) channelId = scan.channelId();
    else if (tag === PROOF) proof = decodeProof(scan);
    else if (tag === ENTRIES) entries = readEntries(scan);
    else if (tag === CREDITED) creditedSequence = scan.uint64();
    else scan.skip(tag);
  }
  if (channelId === undefined) throw new Malformed("an update without channel");
  if (proof === undefined) throw new Malformed("an update without proof");
  return { channelId, update: { proof, entries: entries ?? new Uint8Array(0), creditedSequence } };
}

function readEntries(scan: Scan): Uint8Array {
  const length = scan.length();
  if (length > MAX_ENTRIES_BYTES) throw new Malformed("too many entries");
  const start = scan.at;
  scan.at += length;
  return Uint8Array.prototype.slice.call(scan.bytes, start, scan.at);
}

/** Which of the three fixed fields of a proof came. */
const HAS_ROOT = 1;
const HAS_HISTORY = 2;
const HAS_SIGNATURE = 4;
const HAS_ALL = 7;

function decodeProof(scan: Scan): SignedProof {
  const outerEnd = scan.end;
  scan.end = scan.length() + scan.at;
  let nonce = 0n;
  let transferred = 0n;
  let locked = 0n;
  let seen = 0;
  // One small array for the three: a proof is kept for as long as its channel lives.
  const kept = new Uint8Array(2 * HASH_BYTES + SIGNATURE_BYTES);
  while (scan.at < scan.end) {
    const tag = scan.uint32();
    if (tag === NONCE) nonce = scan.uint64();
    else if (tag === TRANSFERRED) transferred = scan.amount("transferred");
    else if (tag === LOCKED) locked = scan.amount("locked");
    else if (tag === LOCKS_ROOT) {
      scan.copyTo(kept, 0, HASH_BYTES, "locksRoot");
      seen |= HAS_ROOT;
    } else if (tag === HISTORY) {
      scan.copyTo(kept, HASH_BYTES, HASH_BYTES, "history");
      seen |= HAS_HISTORY;
    } else if (tag === SIGNATURE) {
      scan.copyTo(kept, 2 * HASH_BYTES, SIGNATURE_BYTES, "signature");
      seen |= HAS_SIGNATURE;
    } else scan.skip(tag);
  }
  scan.end = outerEnd;
  if (seen !== HAS_ALL) throw new Malformed("a proof without root, history or signature");
  return {
    nonce,
    transferred,
    locked,
    locksRoot: kept.subarray(0, HASH_BYTES),
    history: kept.subarray(HASH_BYTES, 2 * HASH_BYTES),
    signature: kept.subarray(2 * HASH_BYTES),
  };
}

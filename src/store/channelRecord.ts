import {
  addressToBytes,
  type ChannelId,
  type ChannelState,
  channelIdToBytes,
  isHalted,
  otherSide,
  type Side,
  signerOf,
  type Terms,
  type Update,
  viewOf,
} from "../protocol/index.ts";
import { CHANNEL_SEQUENCE_BYTES, setChannelSequence } from "./channelSequence.ts";
import { decodeTerms, encodeTerms, RecordError, signerInTerms } from "./channelTerms.ts";
import { PROOF_BYTES, readProof, writeProof } from "./proofLayout.ts";

/**
 * A channel's record: `sequence(8) ‖ flags(1) ‖ side(1) ‖ sent ‖ acknowledged(8) ‖ received ‖ accepted(8) ‖ terms (protobuf)`.
 * What payments change lies at fixed places in front; the terms change rarely and their encoding is kept between
 * payments.
 */
const FLAGS = CHANNEL_SEQUENCE_BYTES;
const SIDE = FLAGS + 1;
const SENT = SIDE + 1;
const ACKNOWLEDGED = SENT + PROOF_BYTES;
const RECEIVED = ACKNOWLEDGED + 8;
const ACCEPTED = RECEIVED + PROOF_BYTES;
const TERMS = ACCEPTED + 8;

/** The channel awaits something of the chain (closing, a live signature, opening): looked after without being asked. */
const FLAG_ATTENTION = 1;
/** It is agreed upon, and no deposit in it is confirmed. */
const FLAG_OPENING = 2;

const encodedTerms = new WeakMap<Terms, Uint8Array>();
const NO_BYTES = new Uint8Array(0);

function termsBytes(state: ChannelState): Uint8Array {
  if (state.behind !== undefined) {
    const behind = new Uint8Array(PROOF_BYTES);
    writeProof(behind, viewOf(behind), 0, state.behind);
    return encodeTerms(state.terms, behind);
  }
  let bytes = encodedTerms.get(state.terms);
  if (bytes === undefined) {
    bytes = encodeTerms(state.terms, NO_BYTES);
    encodedTerms.set(state.terms, bytes);
  }
  return bytes;
}

/** Whether the channel awaits something of the chain or its clock. */
export function needsAttention(state: ChannelState): boolean {
  const { terms } = state;
  if (terms.phase === "settled") return false;
  return (
    terms.phase === "opening" ||
    terms.phase === "closing" ||
    terms.stop !== undefined ||
    (terms.phase === "open" && terms.haltedSince !== undefined) ||
    isHalted(state) ||
    terms.withdrawals.length > 0
  );
}

/** The record of `state` as its `sequence`-th version. */
export function encodeChannelState(state: ChannelState, sequence: number): Uint8Array {
  const terms = termsBytes(state);
  const bytes = new Uint8Array(TERMS + terms.length);
  const view = viewOf(bytes);
  setChannelSequence(bytes, sequence);
  bytes[FLAGS] =
    (needsAttention(state) ? FLAG_ATTENTION : 0) | (state.terms.phase === "opening" ? FLAG_OPENING : 0);
  bytes[SIDE] = state.side;
  writeProof(bytes, view, SENT, state.sent);
  view.setBigUint64(ACKNOWLEDGED, state.acknowledged);
  writeProof(bytes, view, RECEIVED, state.received);
  view.setBigUint64(ACCEPTED, state.accepted);
  bytes.set(terms, TERMS);
  return bytes;
}

/** Inverse of {@link encodeChannelState}. Throws `RecordError` on what it cannot have written. */
export function decodeChannelState(id: ChannelId, bytes: Uint8Array): ChannelState {
  const side = bytes[SIDE];
  if (bytes.length < TERMS || (side !== 0 && side !== 1))
    throw new RecordError("a channel record is cut short");
  const view = viewOf(bytes);
  const { terms, behind } = decodeTerms(bytes.subarray(TERMS));
  return {
    id,
    idBytes: channelIdToBytes(id),
    side,
    counterpartySigner: addressToBytes(signerOf(terms.channel, otherSide(side))),
    sent: readProof(bytes, view, SENT),
    acknowledged: view.getBigUint64(ACKNOWLEDGED),
    received: readProof(bytes, view, RECEIVED),
    accepted: view.getBigUint64(ACCEPTED),
    behind: behind.length === 0 ? undefined : readProof(behind, viewOf(behind), 0),
    terms,
  };
}

/** What a scan at start needs of a record without decoding it whole. Views of the record. */
export interface ChannelSummary {
  readonly attention: boolean;
  readonly opening: boolean;
  readonly counterpartySigner: Uint8Array;
}

export function summarizeChannelState(bytes: Uint8Array): ChannelSummary {
  const side: Side = bytes[SIDE] === 0 ? 0 : 1;
  return {
    attention: (bytes[FLAGS]! & FLAG_ATTENTION) !== 0,
    opening: (bytes[FLAGS]! & FLAG_OPENING) !== 0,
    counterpartySigner: signerInTerms(bytes.subarray(TERMS), otherSide(side)),
  };
}

/**
 * One stored record per update: `TIMED(1) ‖ time(6) ‖ creditedSequence(8) ‖ proof ‖ packed entries`. Records of
 * schema 1 begin with the credited sequence, which is below 2^63, and have no time.
 */
const TIMED = 0x80;
const TIME = 1;
const CREDITED = TIME + 6;
const UPDATE_PROOF = CREDITED + 8;
const ENTRIES = UPDATE_PROOF + PROOF_BYTES;

/** `time`: when this node wrote it down, Unix milliseconds. */
export function encodeUpdate(update: Update, time: number): Uint8Array {
  const bytes = new Uint8Array(ENTRIES + update.entries.length);
  const view = viewOf(bytes);
  bytes[0] = TIMED;
  view.setUint16(TIME, Math.floor(time / 0x1_0000_0000));
  view.setUint32(TIME + 2, time % 0x1_0000_0000);
  view.setBigUint64(CREDITED, update.creditedSequence);
  writeProof(bytes, view, UPDATE_PROOF, update.proof);
  bytes.set(update.entries, ENTRIES);
  return bytes;
}

/** Inverse of {@link encodeUpdate}, of records of schema 1 too. Throws `RecordError` on what is cut short. */
export function decodeUpdate(bytes: Uint8Array): Update {
  const credited = bytes[0] === TIMED ? CREDITED : 0;
  const proof = credited + 8;
  const entries = proof + PROOF_BYTES;
  if (bytes.length <= entries) throw new RecordError("an update record is cut short");
  const view = viewOf(bytes);
  return {
    creditedSequence: view.getBigUint64(credited),
    proof: readProof(bytes, view, proof),
    entries: bytes.subarray(entries),
  };
}

/** When this node wrote the update down, Unix milliseconds; undefined for records of schema 1. */
export function decodeUpdateTime(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== TIMED || bytes.length <= ENTRIES) return undefined;
  const view = viewOf(bytes);
  return view.getUint16(TIME) * 0x1_0000_0000 + view.getUint32(TIME + 2);
}

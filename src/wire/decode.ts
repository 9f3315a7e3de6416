import type { Credits } from "../protocol/ledger/state.ts";
import { PACKED_LOCK_BYTES } from "../protocol/lock.ts";
import { NO_PROOF, type SignedProof } from "../protocol/proof.ts";
import {
  CHALLENGE_BYTES,
  HASH_BYTES,
  MAX_FEATURES,
  MAX_FIELDS,
  MAX_LOCKS_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_SMALL_MESSAGE_BYTES,
  SIGNATURE_BYTES,
} from "./bounds.ts";
import {
  copyOf,
  Malformed,
  readAddress,
  readAmount,
  readBytes,
  readChannelId,
  readFields,
  readName,
  readOptionalBytes,
} from "./field.ts";
import { readVarint } from "./frame.ts";
import * as wire from "./generated/rivulet.ts";
import { KIND_OF_TAG } from "./kind.ts";
import type { LockLimits, Message, MessageKind } from "./message.ts";
import { decodeUpdate } from "./updateCodec.ts";

export type Decoded =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly code: "message_malformed"; readonly reason: string };

/**
 * Reads one message. Never throws, whatever the bytes, and looks at no more of them than {@link MAX_MESSAGE_BYTES}.
 * What it returns shares no memory with `bytes`.
 *
 * Exactly one known body is taken, and nothing before or behind it. Fields that a body does not know are ignored,
 * so that a later version can add some.
 */
export function decodeMessage(bytes: Uint8Array): Decoded {
  try {
    return { ok: true, message: decodeFrame(bytes) };
  } catch (cause) {
    // Everything the generated codecs throw (truncation, bad varints, too deep groups) is about these bytes.
    const reason = cause instanceof Error ? cause.message : "unreadable";
    return { ok: false, code: "message_malformed", reason: reason.slice(0, 200) };
  }
}

function decodeFrame(bytes: Uint8Array): Message {
  if (bytes.length > MAX_MESSAGE_BYTES) throw new Malformed("the message is too large");
  const kind = bytes.length === 0 ? undefined : KIND_OF_TAG[bytes[0]!];
  if (kind === undefined) throw new Malformed("no known message");
  const { value: length, end } = readVarint(bytes, 1);
  if (end + length !== bytes.length) throw new Malformed("not exactly one message");
  // A plain array: the generated reader takes a third longer on a Buffer.
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset + end, length);
  return decodeBody(kind, body);
}

function decodeBody(kind: MessageKind, body: Uint8Array): Message {
  if (kind === "update") return { kind, ...decodeUpdate(body) };
  if (kind === "returnedUpdate") return { kind, ...decodeReturnedUpdate(body) };
  if (body.length > MAX_SMALL_MESSAGE_BYTES) throw new Malformed(`the ${kind} is too large`);
  switch (kind) {
    case "ack":
      return ackOf(body);
    case "hello":
      return helloOf(body);
    case "openChannel":
      return openChannelOf(body);
    case "acceptChannel":
      return acceptChannelOf(body);
    case "refuse":
      return refuseOf(body);
    case "credited": {
      const decoded = wire.Credited.decode(body);
      return { kind, channelId: readChannelId(decoded.channelId), credits: creditsOf(decoded) };
    }
    case "reestablish":
      return reestablishOf(body);
    case "withdrawPropose":
    case "withdrawSign":
      return withdrawOf(kind, body);
    case "closeStop": {
      const decoded = wire.CloseStop.decode(body);
      return { kind, channelId: readChannelId(decoded.channelId), sentNonce: decoded.sentNonce };
    }
    case "closeSign":
      return closeSignOf(body);
    case "error":
      return errorOf(body);
  }
}

function proofOf(proof: wire.Proof): SignedProof {
  const { locksRoot, history, signature } = proof;
  const lengths =
    locksRoot.length === HASH_BYTES && history.length === HASH_BYTES && signature.length === SIGNATURE_BYTES;
  if (!lengths) throw new Malformed("a proof's root, history or signature has another length");
  // One small allocation for the three: a proof is kept for as long as its channel lives.
  const kept = new Uint8Array(2 * HASH_BYTES + SIGNATURE_BYTES);
  kept.set(locksRoot);
  kept.set(history, HASH_BYTES);
  kept.set(signature, 2 * HASH_BYTES);
  return {
    nonce: proof.nonce,
    transferred: readAmount(proof.transferred, "transferred"),
    locked: readAmount(proof.locked, "locked"),
    locksRoot: kept.subarray(0, HASH_BYTES),
    history: kept.subarray(HASH_BYTES, 2 * HASH_BYTES),
    signature: kept.subarray(2 * HASH_BYTES),
  };
}

/** `ReturnedUpdate` has one field, the update: exactly that is read. */
function decodeReturnedUpdate(body: Uint8Array): ReturnType<typeof decodeUpdate> {
  if (body[0] !== ((1 << 3) | 2)) throw new Malformed("no update");
  const { value: length, end } = readVarint(body, 1);
  if (end + length !== body.length) throw new Malformed("not exactly one update");
  return decodeUpdate(body.subarray(end));
}

function ackOf(body: Uint8Array): Message {
  const { channelId, nonce, chainTime, endorsement } = wire.Ack.decode(body);
  return {
    kind: "ack",
    channelId: readChannelId(channelId),
    nonce,
    chainTime,
    endorsement: readOptionalBytes(endorsement, SIGNATURE_BYTES, "endorsement"),
  };
}

function helloOf(body: Uint8Array): Message {
  const hello = wire.Hello.decode(body, { limits: { features: MAX_FEATURES } });
  return {
    kind: "hello",
    version: hello.version,
    features: hello.features.map((feature) => readName(feature, "feature")),
    chainId: hello.chainId,
    escrow: readAddress(hello.escrow, "escrow"),
    signer: readAddress(hello.signer, "signer"),
    participant: readAddress(hello.participant, "participant"),
    challenge: readBytes(hello.challenge, CHALLENGE_BYTES, "challenge"),
    proof: readOptionalBytes(hello.proof, SIGNATURE_BYTES, "proof"),
  };
}

function lockLimitsOf(limits: wire.LockLimits | undefined): LockLimits {
  if (limits === undefined) throw new Malformed("no lock limits");
  return {
    count: limits.count,
    least: readAmount(limits.least, "least"),
    most: readAmount(limits.most, "most"),
    expiryBound: limits.expiryBound,
  };
}

function openChannelOf(body: Uint8Array): Message {
  const { channel, deposit, requestedDeposit, lockLimits } = wire.OpenChannel.decode(body);
  if (channel === undefined) throw new Malformed("no channel");
  return {
    kind: "openChannel",
    channel: {
      participant0: readAddress(channel.participant0, "participant0"),
      participant1: readAddress(channel.participant1, "participant1"),
      signer0: readAddress(channel.signer0, "signer0"),
      signer1: readAddress(channel.signer1, "signer1"),
      token: readAddress(channel.token, "token"),
      challengePeriod: channel.challengePeriod,
      salt: channel.salt,
    },
    deposit: readAmount(deposit, "deposit"),
    requestedDeposit: readAmount(requestedDeposit, "requestedDeposit"),
    lockLimits: lockLimitsOf(lockLimits),
  };
}

function acceptChannelOf(body: Uint8Array): Message {
  const { channelId, deposit, lockLimits } = wire.AcceptChannel.decode(body);
  return {
    kind: "acceptChannel",
    channelId: readChannelId(channelId),
    deposit: readAmount(deposit, "deposit"),
    lockLimits: lockLimitsOf(lockLimits),
  };
}

function refuseOf(body: Uint8Array): Message {
  const { channelId, code, fields } = wire.Refuse.decode(body, { limits: { fields: MAX_FIELDS } });
  return {
    kind: "refuse",
    channelId: readChannelId(channelId),
    code: readName(code, "code"),
    fields: readFields(fields),
  };
}

function creditsOf(credited: wire.Credited): Credits {
  return {
    deposits: [readAmount(credited.deposit0, "deposit0"), readAmount(credited.deposit1, "deposit1")],
    withdrawn: [readAmount(credited.withdrawn0, "withdrawn0"), readAmount(credited.withdrawn1, "withdrawn1")],
    closeLive: credited.closeLive,
    sequence: credited.sequence,
  };
}

function reestablishOf(body: Uint8Array): Message {
  const { channelId, sentNonce, received, locks, credited } = wire.Reestablish.decode(body);
  if (credited === undefined) throw new Malformed("no credits");
  if (credited.channelId.length !== 0) throw new Malformed("credits that name a channel of their own");
  if (received !== undefined && received.nonce === 0n) throw new Malformed("a received proof with nonce 0");
  if (locks.length > MAX_LOCKS_BYTES || locks.length % PACKED_LOCK_BYTES !== 0) {
    throw new Malformed("not a packed lock list");
  }
  return {
    kind: "reestablish",
    channelId: readChannelId(channelId),
    reestablish: {
      sentNonce,
      received: received === undefined ? NO_PROOF : proofOf(received),
      credited: creditsOf(credited),
    },
    locks: locks.length === 0 ? undefined : copyOf(locks),
  };
}

function withdrawOf(kind: "withdrawPropose" | "withdrawSign", body: Uint8Array): Message {
  const codec = kind === "withdrawPropose" ? wire.WithdrawPropose : wire.WithdrawSign;
  const { channelId, participant, total, deadline, signature } = codec.decode(body);
  return {
    kind,
    channelId: readChannelId(channelId),
    participant: readAddress(participant, "participant"),
    total: readAmount(total, "total"),
    deadline,
    signature: readBytes(signature, SIGNATURE_BYTES, "signature"),
  };
}

function closeSignOf(body: Uint8Array): Message {
  const { channelId, transferred0, transferred1, deadline, signature } = wire.CloseSign.decode(body);
  return {
    kind: "closeSign",
    channelId: readChannelId(channelId),
    transferred0: readAmount(transferred0, "transferred0"),
    transferred1: readAmount(transferred1, "transferred1"),
    deadline,
    signature: readBytes(signature, SIGNATURE_BYTES, "signature"),
  };
}

function errorOf(body: Uint8Array): Message {
  const { code, fields, channelId } = wire.Error.decode(body, { limits: { fields: MAX_FIELDS } });
  return {
    kind: "error",
    code: readName(code, "code"),
    fields: readFields(fields),
    channelId: channelId.length === 0 ? undefined : readChannelId(channelId),
  };
}

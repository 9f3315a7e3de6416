import type { Credits } from "../protocol/ledger/state.ts";
import type { SignedProof } from "../protocol/proof.ts";
import { CHALLENGE_BYTES, HASH_BYTES, MAX_MESSAGE_BYTES, SIGNATURE_BYTES } from "./bounds.ts";
import {
  writeAddress,
  writeAmount,
  writeBytes,
  writeChannelId,
  writeFields,
  writeOptionalBytes,
  writeUint32,
  writeUint64,
} from "./field.ts";
import { writeVarint } from "./frame.ts";
import * as wire from "./generated/rivulet.ts";
import { encodeGenerated } from "./generatedCodec.ts";
import { FIELD_OF_KIND } from "./kind.ts";
import type {
  AckMessage,
  CloseSignMessage,
  ErrorMessage,
  HelloMessage,
  LockLimits,
  Message,
  OpenChannelMessage,
  ReestablishMessage,
  RefuseMessage,
  ReturnedUpdateMessage,
  WithdrawMessage,
} from "./message.ts";
import { encodeUpdate } from "./updateCodec.ts";

/**
 * The bytes of one message: a `Frame` with exactly one body. Throws `RangeError` for a value that has no place in
 * the message; whoever builds messages from the ledger's own values never sees it.
 */
export function encodeMessage(message: Message): Uint8Array {
  const body = encodeBody(message);
  // Written by hand: the generated Frame encoder clears every other member of the oneof first, for each member.
  const header = new Uint8Array(5);
  header[0] = (FIELD_OF_KIND[message.kind] << 3) | 2;
  const bodyAt = writeVarint(header, 1, body.length);
  if (bodyAt + body.length > MAX_MESSAGE_BYTES)
    throw new RangeError(`a ${message.kind} is too large to send`);
  const bytes = new Uint8Array(bodyAt + body.length);
  bytes.set(bodyAt === header.length ? header : header.subarray(0, bodyAt));
  bytes.set(body, bodyAt);
  return bytes;
}

function encodeBody(message: Message): Uint8Array {
  switch (message.kind) {
    case "update":
      return encodeUpdate(message.channelId, message.update);
    case "ack":
      return encodeAck(message);
    case "returnedUpdate":
      return encodeReturnedUpdate(message);
    case "hello":
      return encodeHello(message);
    case "openChannel":
      return encodeOpenChannel(message);
    case "acceptChannel":
      return encodeGenerated(wire.AcceptChannel.codec(), {
        channelId: writeChannelId(message.channelId),
        deposit: writeAmount(message.deposit, "deposit"),
        lockLimits: lockLimitsOf(message.lockLimits),
      } as Partial<wire.AcceptChannel>);
    case "refuse":
      return encodeRefuse(message);
    case "credited":
      return encodeGenerated(
        wire.Credited.codec(),
        creditedOf(writeChannelId(message.channelId), message.credits),
      );
    case "reestablish":
      return encodeReestablish(message);
    case "withdrawPropose":
    case "withdrawSign":
      return encodeWithdraw(message);
    case "closeStop":
      return encodeGenerated(wire.CloseStop.codec(), {
        channelId: writeChannelId(message.channelId),
        sentNonce: writeUint64(message.sentNonce, "sentNonce"),
      } as Partial<wire.CloseStop>);
    case "closeSign":
      return encodeCloseSign(message);
    case "error":
      return encodeError(message);
  }
}

function proofOf(proof: SignedProof): wire.Proof {
  return {
    nonce: writeUint64(proof.nonce, "nonce"),
    transferred: writeAmount(proof.transferred, "transferred"),
    locked: writeAmount(proof.locked, "locked"),
    locksRoot: writeBytes(proof.locksRoot, HASH_BYTES, "locksRoot"),
    history: writeBytes(proof.history, HASH_BYTES, "history"),
    signature: writeBytes(proof.signature, SIGNATURE_BYTES, "signature"),
  } as wire.Proof;
}

/** `ReturnedUpdate` has one field, the update. */
function encodeReturnedUpdate(message: ReturnedUpdateMessage): Uint8Array {
  const update = encodeUpdate(message.channelId, message.update);
  const header = new Uint8Array(5);
  header[0] = (1 << 3) | 2;
  const at = writeVarint(header, 1, update.length);
  const body = new Uint8Array(at + update.length);
  body.set(header.subarray(0, at));
  body.set(update, at);
  return body;
}

function encodeAck(message: AckMessage): Uint8Array {
  return encodeGenerated(wire.Ack.codec(), {
    channelId: writeChannelId(message.channelId),
    nonce: writeUint64(message.nonce, "nonce"),
    chainTime: writeUint64(message.chainTime, "chainTime"),
    endorsement: writeOptionalBytes(message.endorsement, SIGNATURE_BYTES, "endorsement"),
  } as Partial<wire.Ack>);
}

function encodeHello(message: HelloMessage): Uint8Array {
  return encodeGenerated(wire.Hello.codec(), {
    version: writeUint32(message.version, "version"),
    features: [...message.features],
    chainId: writeUint64(message.chainId, "chainId"),
    escrow: writeAddress(message.escrow),
    signer: writeAddress(message.signer),
    participant: writeAddress(message.participant),
    challenge: writeBytes(message.challenge, CHALLENGE_BYTES, "challenge"),
    proof: writeOptionalBytes(message.proof, SIGNATURE_BYTES, "proof"),
  } as Partial<wire.Hello>);
}

function lockLimitsOf(limits: LockLimits): wire.LockLimits {
  return {
    count: writeUint32(limits.count, "count"),
    least: writeAmount(limits.least, "least"),
    most: writeAmount(limits.most, "most"),
    expiryBound: writeUint64(limits.expiryBound, "expiryBound"),
  } as wire.LockLimits;
}

function encodeOpenChannel(message: OpenChannelMessage): Uint8Array {
  const { channel } = message;
  return encodeGenerated(wire.OpenChannel.codec(), {
    channel: {
      participant0: writeAddress(channel.participant0),
      participant1: writeAddress(channel.participant1),
      signer0: writeAddress(channel.signer0),
      signer1: writeAddress(channel.signer1),
      token: writeAddress(channel.token),
      challengePeriod: writeUint32(channel.challengePeriod, "challengePeriod"),
      salt: writeUint64(channel.salt, "salt"),
    } as wire.ChannelTuple,
    deposit: writeAmount(message.deposit, "deposit"),
    requestedDeposit: writeAmount(message.requestedDeposit, "requestedDeposit"),
    lockLimits: lockLimitsOf(message.lockLimits),
  } as Partial<wire.OpenChannel>);
}

function encodeRefuse(message: RefuseMessage): Uint8Array {
  return encodeGenerated(wire.Refuse.codec(), {
    channelId: writeChannelId(message.channelId),
    code: message.code,
    fields: writeFields(message.fields),
  } as Partial<wire.Refuse>);
}

/** `channelId` is empty inside a `Reestablish`, which names the channel itself. */
function creditedOf(channelId: Uint8Array | undefined, credits: Credits): wire.Credited {
  return {
    channelId,
    deposit0: writeAmount(credits.deposits[0], "deposit0"),
    deposit1: writeAmount(credits.deposits[1], "deposit1"),
    withdrawn0: writeAmount(credits.withdrawn[0], "withdrawn0"),
    withdrawn1: writeAmount(credits.withdrawn[1], "withdrawn1"),
    closeLive: credits.closeLive,
    sequence: writeUint64(credits.sequence, "sequence"),
  } as wire.Credited;
}

function encodeReestablish({ channelId, reestablish, locks }: ReestablishMessage): Uint8Array {
  const { received } = reestablish;
  return encodeGenerated(wire.Reestablish.codec(), {
    channelId: writeChannelId(channelId),
    sentNonce: writeUint64(reestablish.sentNonce, "sentNonce"),
    received: received.nonce === 0n ? undefined : proofOf(received),
    locks,
    credited: creditedOf(undefined, reestablish.credited),
  } as Partial<wire.Reestablish>);
}

function encodeWithdraw(message: WithdrawMessage): Uint8Array {
  const codec = message.kind === "withdrawPropose" ? wire.WithdrawPropose : wire.WithdrawSign;
  return encodeGenerated(codec.codec(), {
    channelId: writeChannelId(message.channelId),
    participant: writeAddress(message.participant),
    total: writeAmount(message.total, "total"),
    deadline: writeUint64(message.deadline, "deadline"),
    signature: writeBytes(message.signature, SIGNATURE_BYTES, "signature"),
  } as Partial<wire.WithdrawSign>);
}

function encodeCloseSign(message: CloseSignMessage): Uint8Array {
  return encodeGenerated(wire.CloseSign.codec(), {
    channelId: writeChannelId(message.channelId),
    transferred0: writeAmount(message.transferred0, "transferred0"),
    transferred1: writeAmount(message.transferred1, "transferred1"),
    deadline: writeUint64(message.deadline, "deadline"),
    signature: writeBytes(message.signature, SIGNATURE_BYTES, "signature"),
  } as Partial<wire.CloseSign>);
}

function encodeError(message: ErrorMessage): Uint8Array {
  return encodeGenerated(wire.Error.codec(), {
    code: message.code,
    fields: writeFields(message.fields),
    channelId: message.channelId === undefined ? undefined : writeChannelId(message.channelId),
  } as Partial<wire.Error>);
}

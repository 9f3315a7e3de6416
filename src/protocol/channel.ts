import { type Address, addressToBytes, ZERO_ADDRESS } from "./address.ts";
import { MAX_UINT64 } from "./amount.ts";
import { fromHex, type Hex, putUint256, toHex, viewOf } from "./bytes.ts";
import type { Keccak256 } from "./ports.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** `keccak256(abi.encode(chainId, escrow, channel))`, as lower-case hex. */
export type ChannelId = Hex & { readonly __brand: "ChannelId" };

/** The immutable tuple a channel id commits to; the same fields in the same order as the escrow's `Channel`. */
export interface Channel {
  readonly participant0: Address;
  readonly participant1: Address;
  /** Zero: the participant itself signs. */
  readonly signer0: Address;
  readonly signer1: Address;
  /** Zero: the chain's native coin. */
  readonly token: Address;
  /** Seconds. */
  readonly challengePeriod: number;
  readonly salt: bigint;
}

/** Which participant: 0 or 1. */
export type Side = 0 | 1;

export function otherSide(side: Side): Side {
  return side === 0 ? 1 : 0;
}

export function participantOf(channel: Channel, side: Side): Address {
  return side === 0 ? channel.participant0 : channel.participant1;
}

/** The effective signer: the named one, or the participant itself. */
export function signerOf(channel: Channel, side: Side): Address {
  const signer = side === 0 ? channel.signer0 : channel.signer1;
  return signer === ZERO_ADDRESS ? participantOf(channel, side) : signer;
}

export function sideOf(channel: Channel, participant: Address): Side | undefined {
  if (channel.participant0 === participant) return 0;
  if (channel.participant1 === participant) return 1;
  return undefined;
}

/** 30 days: the escrow's own bound on the challenge period. */
export const MAX_CHALLENGE_PERIOD = 30 * 24 * 60 * 60;

/** Undefined when the escrow would accept the tuple, else why it would not. */
export function checkChannel(channel: Channel): Refusal | undefined {
  if (channel.participant0 === ZERO_ADDRESS) return refuse("channel_invalid", { field: "participant0" });
  // Lower-case hex of equal length sorts as the addresses do.
  if (channel.participant0 >= channel.participant1)
    return refuse("channel_invalid", { field: "participant1" });
  if (signerOf(channel, 0) === signerOf(channel, 1)) return refuse("channel_invalid", { field: "signer1" });
  const period = channel.challengePeriod;
  if (!Number.isInteger(period) || period < 0 || period > MAX_CHALLENGE_PERIOD) {
    return refuse("channel_invalid", { field: "challengePeriod" });
  }
  if (channel.salt < 0n || channel.salt > MAX_UINT64) return refuse("channel_invalid", { field: "salt" });
  return undefined;
}

/** The id of `channel` in the escrow at `escrow` on chain `chainId`. */
export function channelIdOf(
  channel: Channel,
  chainId: bigint,
  escrow: Address,
  keccak256: Keccak256,
): ChannelId {
  const words = new Uint8Array(9 * 32);
  const view = viewOf(words);
  putUint256(view, 0, chainId);
  const addresses = [
    escrow,
    channel.participant0,
    channel.participant1,
    channel.signer0,
    channel.signer1,
    channel.token,
  ];
  addresses.forEach((address, i) => {
    words.set(addressToBytes(address), 32 * (i + 1) + 12);
  });
  putUint256(view, 7 * 32, BigInt(channel.challengePeriod));
  putUint256(view, 8 * 32, channel.salt);
  return toHex(keccak256(words)) as ChannelId;
}

export function channelIdFromBytes(bytes: Uint8Array): ChannelId {
  if (bytes.length !== 32) throw new RangeError("a channel id has 32 bytes");
  return toHex(bytes) as ChannelId;
}

export function channelIdToBytes(id: ChannelId): Uint8Array {
  return fromHex(id);
}

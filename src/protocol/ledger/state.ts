import { addressToBytes } from "../address.ts";
import {
  type Channel,
  type ChannelId,
  channelIdToBytes,
  otherSide,
  type Side,
  signerOf,
} from "../channel.ts";
import type { CooperativeClose, Digests } from "../digests.ts";
import type { Crypto } from "../ports.ts";
import { NO_PROOF, type SignedProof } from "../proof.ts";

/** What a payee has confirmed of a channel and announced: the payer spends no more than this. */
export interface Credits {
  readonly deposits: readonly [bigint, bigint];
  /** The greater of the chain's total at zero confirmations and every live signature. */
  readonly withdrawn: readonly [bigint, bigint];
  /** Payments are stopped for a close, cooperative or not. */
  readonly closeLive: boolean;
  /** Rises with every announcement, so that a stale one is recognised. */
  readonly sequence: bigint;
}

export const NO_CREDITS: Credits = {
  deposits: [0n, 0n],
  withdrawn: [0n, 0n],
  closeLive: false,
  sequence: 0n,
};

/** A withdrawal that somebody has signed and that may still reach the chain. */
export interface LiveWithdrawal {
  readonly beneficiary: Side;
  readonly total: bigint;
  readonly deadline: bigint;
  /** By participant's side; empty while that side has not signed. */
  readonly signatures: readonly [Uint8Array, Uint8Array];
}

export interface SignedClose extends CooperativeClose {
  readonly signatures: readonly [Uint8Array, Uint8Array];
}

/** The state of a cooperative close: both announce their last nonce, acknowledge the other's, then sign. */
export interface Stop {
  /** This node's application asked for the close, so this node brings it on chain. */
  readonly wanted: boolean;
  /** Our last sent nonce. */
  readonly ours: bigint;
  /** The other side's last sent nonce, once it has announced it. */
  readonly theirs: bigint | undefined;
  readonly signed: SignedClose | undefined;
}

/** What the chain shows of the channel, as far as this node has looked. */
export interface ChainView {
  /** Confirmed totals. */
  readonly deposits: readonly [bigint, bigint];
  /** Totals at zero confirmations: a withdrawal counts against its beneficiary at once. */
  readonly withdrawn: readonly [bigint, bigint];
  /** Present from the first sight of a unilateral close, unconfirmed included, and kept if a reorganisation removes it. */
  readonly close: ClosingView | undefined;
  readonly settled: { readonly shares: readonly [bigint, bigint] } | undefined;
}

export interface ClosingView {
  readonly deadline: bigint;
  /** The nonce recorded on chain per payer's side. */
  readonly recorded: readonly [bigint, bigint];
}

/**
 * | phase | meaning | who decides |
 * |---|---|---|
 * | opening | tuple agreed, nothing confirmed on chain | both nodes |
 * | open | pays, unless stopped or behind | the chain's confirmed deposits |
 * | closing | a unilateral close was started or seen; pays nothing | the first of this node and the chain |
 * | settled | paid out, confirmed | the chain |
 */
export type Phase = "opening" | "open" | "closing" | "settled";

/** The part of a channel's state that payments leave alone. */
export interface Terms {
  readonly channel: Channel;
  readonly phase: Phase;
  /** What we count and have announced: binds the other side's payments. */
  readonly announced: Credits;
  /** What the other side has announced: binds our payments. */
  readonly credited: Credits;
  readonly chain: ChainView;
  /** At most one per side. */
  readonly withdrawals: readonly LiveWithdrawal[];
  readonly stop: Stop | undefined;
  /** Unix seconds: since when payments have been stopped for a close that nothing we hold completes. */
  readonly haltedSince: bigint | undefined;
}

/** Everything one node knows of one channel. Immutable: every transition returns a new one. */
export interface ChannelState {
  readonly id: ChannelId;
  readonly idBytes: Uint8Array;
  readonly side: Side;
  /** The account that must have signed what we receive. 20 bytes. */
  readonly counterpartySigner: Uint8Array;
  /** The newest proof we signed: spent for ever, whatever the payee answers. */
  readonly sent: SignedProof;
  /** The highest nonce of ours that the payee holds durably. */
  readonly acknowledged: bigint;
  /** The newest proof we hold of the other side. */
  readonly received: SignedProof;
  /** The highest received nonce we acknowledged; beyond it lies evidence taken while closing. */
  readonly accepted: bigint;
  /** Our own newer proof, returned by the other side: we lost data and sign nothing until we caught up. */
  readonly behind: SignedProof | undefined;
  readonly terms: Terms;
}

/** What the transitions need and never perform themselves. */
export interface LedgerPorts {
  readonly crypto: Crypto;
  readonly digests: Digests;
  /** The key of our effective signer in this channel. 32 bytes. */
  readonly signerKey: Uint8Array;
}

/** A channel both sides agreed on, before anything is confirmed. */
export function newChannelState(id: ChannelId, channel: Channel, side: Side): ChannelState {
  return {
    id,
    idBytes: channelIdToBytes(id),
    side,
    counterpartySigner: addressToBytes(signerOf(channel, otherSide(side))),
    sent: NO_PROOF,
    acknowledged: 0n,
    received: NO_PROOF,
    accepted: 0n,
    behind: undefined,
    terms: {
      channel,
      phase: "opening",
      announced: NO_CREDITS,
      credited: NO_CREDITS,
      chain: { deposits: [0n, 0n], withdrawn: [0n, 0n], close: undefined, settled: undefined },
      withdrawals: [],
      stop: undefined,
      haltedSince: undefined,
    },
  };
}

export function withTerms(state: ChannelState, change: Partial<Terms>): ChannelState {
  return { ...state, terms: { ...state.terms, ...change } };
}

/** Whether `signature` over `digest` is the counterparty's. */
export function isCounterparty(
  state: ChannelState,
  digest: Uint8Array,
  signature: Uint8Array,
  { crypto }: LedgerPorts,
): boolean {
  return isSignedBy(state.counterpartySigner, digest, signature, crypto);
}

/** Whether `signature` over `digest` recovers to the account `signer` (20 bytes), exactly as the escrow would. */
export function isSignedBy(
  signer: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
  crypto: Crypto,
): boolean {
  const publicKey = crypto.ecdsa.recover(digest, signature);
  if (publicKey === undefined) return false;
  const hash = crypto.keccak256(publicKey);
  for (let i = 0; i < 20; i++) if (hash[12 + i] !== signer[i]) return false;
  return true;
}

/** A pair with `side`'s element replaced. */
export function withSide<T>(pair: readonly [T, T], side: Side, value: T): readonly [T, T] {
  return side === 0 ? [value, pair[1]] : [pair[0], value];
}

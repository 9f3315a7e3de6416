import type { Address } from "../protocol/address.ts";
import type { Channel, ChannelId } from "../protocol/channel.ts";
import type { Reestablish } from "../protocol/ledger/reestablish.ts";
import type { Credits } from "../protocol/ledger/state.ts";
import type { Update } from "../protocol/ledger/update.ts";

/** What explains a code: names to values, all strings on the wire (amounts in decimal). */
export type Fields = Readonly<Record<string, string>>;

/** Which locks a side takes in a channel. All zero: none. */
export interface LockLimits {
  readonly count: number;
  readonly least: bigint;
  readonly most: bigint;
  /** Seconds beyond the payee's newest block that an expiry may lie. */
  readonly expiryBound: bigint;
}

export const NO_LOCKS: LockLimits = { count: 0, least: 0n, most: 0n, expiryBound: 0n };

/** Who a node is on chain. The first one carries a challenge only, the second the proof over the other's challenge. */
export interface HelloMessage {
  readonly kind: "hello";
  readonly version: number;
  readonly features: readonly string[];
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly signer: Address;
  /** Claimed, not proven: what a participant owns is proven by the chain alone. */
  readonly participant: Address;
  /** 32 random bytes that the other side signs. */
  readonly challenge: Uint8Array;
  /** The signer's signature over its peer id and the other side's challenge; undefined in the first Hello. */
  readonly proof: Uint8Array | undefined;
}

export interface OpenChannelMessage {
  readonly kind: "openChannel";
  readonly channel: Channel;
  /** What the opener will deposit. */
  readonly deposit: bigint;
  /** What it asks the other side to deposit. */
  readonly requestedDeposit: bigint;
  readonly lockLimits: LockLimits;
}

export interface AcceptChannelMessage {
  readonly kind: "acceptChannel";
  readonly channelId: ChannelId;
  /** What the accepter will deposit. */
  readonly deposit: bigint;
  readonly lockLimits: LockLimits;
}

/** A coded refusal of something proposed about this channel. The stream goes on. */
export interface RefuseMessage {
  readonly kind: "refuse";
  readonly channelId: ChannelId;
  readonly code: string;
  readonly fields: Fields;
}

export interface CreditedMessage {
  readonly kind: "credited";
  readonly channelId: ChannelId;
  readonly credits: Credits;
}

export interface UpdateMessage {
  readonly kind: "update";
  readonly channelId: ChannelId;
  readonly update: Update;
}

/** An update that the receiver itself signed and lost, given back by its payee. */
export interface ReturnedUpdateMessage {
  readonly kind: "returnedUpdate";
  readonly channelId: ChannelId;
  readonly update: Update;
}

export interface AckMessage {
  readonly kind: "ack";
  readonly channelId: ChannelId;
  /** The highest nonce held durably. */
  readonly nonce: bigint;
  /** The payee's confirmed chain time. */
  readonly chainTime: bigint;
  readonly endorsement?: Uint8Array | undefined;
}

export interface ReestablishMessage {
  readonly kind: "reestablish";
  readonly channelId: ChannelId;
  readonly reestablish: Reestablish;
  /** The packed lock list of the received proof; undefined when it has none. */
  readonly locks?: Uint8Array | undefined;
}

export interface WithdrawMessage {
  readonly kind: "withdrawPropose" | "withdrawSign";
  readonly channelId: ChannelId;
  readonly participant: Address;
  /** Cumulative. */
  readonly total: bigint;
  readonly deadline: bigint;
  readonly signature: Uint8Array;
}

/** The last update the sender will ever sign while this close stands. */
export interface CloseStopMessage {
  readonly kind: "closeStop";
  readonly channelId: ChannelId;
  readonly sentNonce: bigint;
}

export interface CloseSignMessage {
  readonly kind: "closeSign";
  readonly channelId: ChannelId;
  readonly transferred0: bigint;
  readonly transferred1: bigint;
  readonly deadline: bigint;
  readonly signature: Uint8Array;
}

/** Why the sender ends the stream. */
export interface ErrorMessage {
  readonly kind: "error";
  readonly code: string;
  readonly fields: Fields;
  readonly channelId?: ChannelId | undefined;
}

/** One message of the peer protocol, in the domain's own types. */
export type Message =
  | HelloMessage
  | OpenChannelMessage
  | AcceptChannelMessage
  | RefuseMessage
  | CreditedMessage
  | UpdateMessage
  | ReturnedUpdateMessage
  | AckMessage
  | ReestablishMessage
  | WithdrawMessage
  | CloseStopMessage
  | CloseSignMessage
  | ErrorMessage;

export type MessageKind = Message["kind"];

/** A code's fields as the wire carries them: amounts in decimal. */
export function toFields(fields: Readonly<Record<string, string | number | bigint>>): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
}

import type { Address, Channel, ChannelId, Hex } from "../../protocol/index.ts";
import type { Direction } from "../history/listedPayment.ts";

/**
 * A statement is one JSON document written a record per line, so that it can be read by any JSON parser and checked
 * line by line in bounded memory: `{"rivuletStatement":1,"records":[`, the records, `]}`. Amounts and nonces are
 * decimal strings, bytes are hex, times Unix milliseconds.
 */
export const STATEMENT_VERSION = 1;
export const STATEMENT_OPEN = `{"rivuletStatement":${STATEMENT_VERSION},"records":[`;
export const STATEMENT_CLOSE = "]}";

/** Which payments a statement is about; absent is all. Times half-open. */
export interface StatementFilter {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly peer?: Address | undefined;
  readonly token?: Address | undefined;
  readonly label?: string | undefined;
}

/** Whose statement it is, of when and of what. Always first. */
export interface NodeRecord {
  readonly type: "node";
  readonly account: Address;
  readonly signer: Address;
  readonly chainId: string;
  readonly escrow: Address;
  readonly madeAt: number;
  readonly filter: StatementFilter;
}

/** Where a direction of a channel stands: after update `nonce`. */
export interface Position {
  readonly nonce: string;
  readonly transferred: string;
  readonly history: Hex;
}

/** A channel's money and both of its directions at one moment. */
export interface Standing {
  readonly deposited: string;
  readonly withdrawn: string;
  readonly sent: Position;
  readonly received: Position;
  /** Our money in the channel; zero once it settled. */
  readonly balance: string;
}

/** A channel and how it stood when the period began; what follows is about it until its `channelEnd`. */
export interface ChannelRecord {
  readonly type: "channel";
  readonly channelId: ChannelId;
  readonly participants: readonly [Address, Address];
  /** As in the channel's tuple: zero where the participant itself signs. */
  readonly signers: readonly [Address, Address];
  readonly token: Address;
  readonly challengePeriod: number;
  readonly salt: string;
  /** Which participant this node is. */
  readonly side: 0 | 1;
  readonly opening: Standing;
}

export interface MovementRecord {
  readonly type: "movement";
  readonly kind: "deposit" | "withdrawal" | "settlement";
  readonly time: number;
  readonly amount: string;
  readonly total: string;
}

export interface PaymentLine {
  readonly index: number;
  readonly paymentId: Hex;
  readonly amount: string;
  readonly reference?: Hex;
  readonly refund?: true;
  readonly label?: string;
}

/** One update whole, as evidence, and which of its payments the statement lists. */
export interface UpdateRecord {
  readonly type: "update";
  readonly direction: Direction;
  readonly nonce: string;
  readonly time: number;
  readonly entries: Hex;
  /** It lies behind the period and is here only because its signature covers what lies before. */
  readonly beyond?: true;
  readonly payments: readonly PaymentLine[];
}

/** The payer's signature over everything in one direction up to `nonce`. */
export interface ProofRecord {
  readonly type: "proof";
  readonly direction: Direction;
  readonly nonce: string;
  readonly transferred: string;
  readonly locked: string;
  readonly locksRoot: Hex;
  readonly history: Hex;
  readonly signature: Hex;
}

export interface ChannelEndRecord {
  readonly type: "channelEnd";
  readonly channelId: ChannelId;
  readonly closing: Standing;
}

export interface GasRecord {
  readonly type: "gas";
  readonly time: number;
  readonly transaction: Hex;
  readonly intent: string;
  readonly amount: string;
}

/** Money of the account that went to an address. */
export interface DrawingRecord {
  readonly type: "drawing";
  readonly time: number;
  readonly transaction: Hex;
  readonly token: Address;
  readonly to: Address;
  readonly amount: string;
}

/**
 * Money that a withdrawal or a settlement owed the account and its token or the account refused, so that the escrow
 * keeps it (`credited`), or that was fetched from there (`fetched`).
 */
export type PayoutRecord = {
  readonly type: "payout";
  readonly time: number;
  readonly transaction: Hex;
  readonly token: Address;
  readonly amount: string;
} & (
  | { readonly kind: "credited"; readonly channelId: ChannelId }
  | { readonly kind: "fetched"; readonly to: Address }
);

/** Sums of the listed records, per token. */
export interface TotalsRecord {
  readonly type: "totals";
  readonly token: Address;
  readonly payments: number;
  readonly opening: string;
  readonly deposited: string;
  readonly withdrawn: string;
  readonly sent: string;
  readonly received: string;
  /** What settlements paid. */
  readonly settled: string;
  /** What settlements paid less than the channels' balances; negative where they paid more. */
  readonly settlementLoss: string;
  readonly closing: string;
  readonly gas: string;
  /** What was sent out of the account; absent where nothing was. */
  readonly drawn?: string;
  /** What the escrow kept, and what was fetched from there; absent where nothing was. */
  readonly credited?: string;
  readonly fetched?: string;
}

/** Seals all lines before it. Always last. */
export interface EndRecord {
  readonly type: "end";
  readonly records: number;
  /** keccak-256 over all record lines before it, each with a line feed, as one hash chain. */
  readonly hash: Hex;
  /** By the node's signer, over the `Statement` digest of `hash`. */
  readonly signature: Hex;
}

export type StatementRecord =
  | NodeRecord
  | ChannelRecord
  | MovementRecord
  | UpdateRecord
  | ProofRecord
  | ChannelEndRecord
  | GasRecord
  | DrawingRecord
  | PayoutRecord
  | TotalsRecord
  | EndRecord;

/** The tuple of a statement's channel. */
export function channelOf({ participants, signers, token, challengePeriod, salt }: ChannelRecord): Channel {
  return {
    participant0: participants[0],
    participant1: participants[1],
    signer0: signers[0],
    signer1: signers[1],
    token,
    challengePeriod,
    salt: BigInt(salt),
  };
}

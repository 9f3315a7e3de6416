import type { Book, Name } from "./orders.ts";

/** What the demo asks of a process it started, and what it answers. */
export type Calls<C> = {
  readonly [Method in keyof C]: { readonly params: unknown; readonly result: unknown };
};

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string | undefined; readonly message: string } };

/** The process that is the chain. */
export interface ChainCalls {
  start: { params: undefined; result: ChainPlace };
}

export interface ChainPlace {
  readonly rpcUrl: string;
  readonly chainId: bigint;
  readonly escrow: string;
  readonly token: string;
  /** The newest block once both are deployed. */
  readonly block: number;
}

/** A process with one node and the application that uses it. */
export interface PeerCalls {
  start: { params: PeerStart; result: PeerPlace };
  open: { params: OpenOrder; result: string };
  /** Takes note of everything received on the channel behind `after`, before and from now on. */
  watch: { params: { readonly channelId: string; readonly after: bigint }; result: undefined };
  pay: { params: PayOrder; result: PayResult };
  /** Closes together; resolves with what the chain paid out to us. */
  close: { params: { readonly channelId: string }; result: bigint };
  /** Starts a unilateral close and does not wait for the chain. */
  startClose: { params: { readonly channelId: string }; result: undefined };
  settled: { params: { readonly channelId: string }; result: undefined };
  stop: { params: undefined; result: undefined };
}

export interface PeerStart {
  readonly name: Name;
  readonly directory: string;
  readonly mnemonic: string;
  readonly chain: ChainPlace;
  readonly listen: string;
  readonly challengePeriod: number;
  readonly mostMatchingDeposit: bigint;
  /** A file for the node's log. */
  readonly log: string;
}

export interface PeerPlace {
  readonly account: string;
  readonly address: string;
}

export interface OpenOrder {
  readonly peer: string;
  readonly token: string | undefined;
  readonly deposit: bigint;
  readonly requestDeposit: bigint;
  readonly challengePeriod: number;
}

export interface PayOrder {
  readonly channelId: string;
  readonly book: Book;
  readonly indices: Uint32Array;
  /** Payments that may wait for their receipt at once. */
  readonly window: number;
}

export interface PayResult {
  /** From the call to the receipt, microseconds, one per payment. */
  readonly latencies: Uint32Array;
}

/** What an application says by itself. */
export type PeerNotice =
  /** How far a book is: `asked` orders were given to the node so far, these have a receipt now. */
  | { readonly kind: "paid"; readonly book: number; readonly asked: number; readonly paid: Uint32Array }
  /** All payments behind the last such notice, up to those of update `nonce`; ids of 32 hex digits, joined. */
  | {
      readonly kind: "received";
      readonly channelId: string;
      readonly nonce: bigint;
      readonly ids: string;
      readonly amounts: readonly bigint[];
    }
  | { readonly kind: "dispute"; readonly channelId: string; readonly action: string; readonly detail: string }
  | { readonly kind: "warning"; readonly code: string; readonly message: string };

import type { Address, ChannelId } from "rivulet";

/** Where the benchmark's chain is. */
export interface ChainPlace {
  readonly rpcUrl: string;
  readonly chainId: bigint;
  readonly escrow: Address;
}

export interface NodeStart {
  readonly directory: string;
  readonly mnemonic: string;
  readonly chain: ChainPlace;
  /** Coalescing off: every payment its own signature. */
  readonly signEach: boolean;
}

export interface NodePlace {
  readonly account: Address;
  readonly signer: Address;
  readonly address: string;
}

/** Where a daemon is. */
export interface DaemonPlace extends NodePlace {
  readonly url: string;
  readonly accessToken: string;
}

/** How payments are made. */
export type Manner =
  /** One after the other on the first channel, each waiting for its acknowledgement. */
  | { readonly kind: "sequential" }
  /** One call per payment, so many in flight, on the first channel. */
  | { readonly kind: "each"; readonly inFlight: number }
  /** So many payments per call, so many calls in flight on each channel. */
  | { readonly kind: "batches"; readonly size: number; readonly inFlight: number }
  | HttpManner;

/** Through a daemon's API, one payment at a time on each of so many kept connections, on the first channel. */
export interface HttpManner {
  readonly kind: "http";
  readonly connections: number;
  readonly url: string;
  readonly accessToken: string;
}

/** The channels of one of the process's nodes. */
export interface Route {
  readonly node: number;
  readonly channelIds: readonly ChannelId[];
}

export interface PayOrder {
  readonly routes: readonly Route[];
  readonly manner: Manner;
  /** New payments are begun for so long; then those in flight are waited for. */
  readonly milliseconds: number;
}

export interface PayResult {
  readonly payments: number;
  /** From the first call until every payment was acknowledged. */
  readonly milliseconds: number;
  /** Of each payment made one after the other or through HTTP, milliseconds; empty for other manners. */
  readonly latencies: Float64Array;
}

/** Payments as an application knows them. */
export interface Tally {
  /** 16 bytes each. */
  readonly ids: Uint8Array;
  readonly amount: bigint;
}

/** What a process has used since it began. */
export interface Effort {
  /** Batches written to disk. */
  readonly batches: number;
  /** Of those, the synced ones. */
  readonly synced: number;
  /** Processor time of all its threads, µs. */
  readonly cpu: number;
}

export interface Memory {
  /** Bytes resident after garbage collection. */
  readonly resident: number;
  readonly heapUsed: number;
}

/** What the benchmark asks of a process with nodes in it. */
export interface NodeCalls {
  /** Starts one node per entry and answers in their order. */
  start: { params: readonly NodeStart[]; result: readonly NodePlace[] };
  /** Starts a daemon: a node with its API. */
  startDaemon: { params: NodeStart; result: DaemonPlace };
  open: {
    params: {
      readonly node: number;
      readonly peer: string;
      readonly deposit: bigint;
      readonly match: bigint;
    };
    result: ChannelId;
  };
  ready: { params: { readonly node: number; readonly channelId: ChannelId }; result: undefined };
  /** Deposits into a channel whose other side is away, so often, one after the other. */
  topUp: {
    params: { readonly channelId: ChannelId; readonly amount: bigint; readonly times: number };
    result: undefined;
  };
  /** Pays and waits for the acknowledgements. */
  pay: { params: PayOrder; result: PayResult };
  /** Connects to a peer and pays once: what a restarted node can do at the earliest. */
  payFirst: { params: { readonly peer: string; readonly channelId: ChannelId }; result: undefined };
  /** The payments this process made since the last call. */
  sent: { params: undefined; result: Tally };
  /** The payments this process was told of since the last call. */
  seen: { params: undefined; result: Tally };
  effort: { params: undefined; result: Effort };
  memory: { params: undefined; result: Memory };
  stop: { params: undefined; result: undefined };
}

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

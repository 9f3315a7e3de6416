import type { ChannelId, CloseMode, NodeOptions } from "rivulet";
import type { LocalStep } from "./steps.ts";

/** What the test and the process of a node say to each other. Carried as structured clones: amounts stay bigint. */

export interface StoreChoice {
  /** `plain`: LevelDB itself. `power`: a store that loses what was not synced. */
  readonly kind: "plain" | "power";
  readonly seed: number;
  readonly tail: "none" | "prefix";
  /** The proof that the test can fail: syncs are taken for done. */
  readonly ignoreSync: boolean;
}

export interface StartOrder {
  readonly options: Omit<NodeOptions, "log">;
  readonly store: StoreChoice;
  readonly repair?: boolean;
}

export interface Started {
  readonly account: string;
  readonly signer: string;
  readonly addresses: readonly string[];
}

export interface Order {
  /** 16 bytes as hex. */
  readonly id: string;
  readonly amount: bigint;
}

export interface PayOrder {
  readonly channelId: ChannelId;
  readonly orders: readonly Order[];
  /** How many are under way at once. */
  readonly width: number;
}

export interface OpenOrder {
  readonly peer: string;
  readonly token: string;
  readonly deposit: bigint;
  readonly requestDeposit: bigint;
  readonly challengePeriod: number;
}

/** The part of a channel that the test compares. */
export interface Standing {
  readonly sent: bigint;
  readonly received: bigint;
  readonly sendCapacity: bigint;
  readonly receiveCapacity: bigint;
  readonly phase: string;
  readonly connected: boolean;
  readonly deposits: readonly [bigint, bigint];
  readonly withdrawn: readonly [bigint, bigint];
  readonly paidOut: readonly [bigint, bigint] | undefined;
}

/** Every request by name: what it takes and what it gives. */
export interface Calls {
  start: [StartOrder, Started];
  connect: [{ readonly address: string }, undefined];
  open: [OpenOrder, ChannelId];
  ready: [{ readonly channelId: ChannelId }, undefined];
  /** Resolves when every order is acknowledged or has failed; each is told by a notice of its own. */
  pay: [PayOrder, undefined];
  standing: [{ readonly channelId: ChannelId }, Standing];
  received: [{ readonly channelId: ChannelId; readonly after: bigint }, readonly Arrived[]];
  withdraw: [{ readonly channelId: ChannelId; readonly amount: bigint }, undefined];
  close: [
    {
      readonly channelId: ChannelId;
      readonly mode: CloseMode;
      readonly patience?: number;
    },
    Standing,
  ];
  /**
   * The `count`-th time from now that this step is reached, it stops there and a `gate` is told. `side` is this
   * node's in its channel.
   */
  arm: [{ readonly step: LocalStep; readonly count: number; readonly side: 0 | 1 }, undefined];
  disarm: [Record<never, never>, undefined];
  /** Lets go of what waits at the gate. */
  pass: [Record<never, never>, undefined];
  /** The power goes: only for a store of kind `power`. The node is then begun anew as `start` says. */
  crash: [StartOrder, Started];
  stop: [Record<never, never>, undefined];
}

export type CallName = keyof Calls;

export type Request = {
  [Name in CallName]: { readonly call: number; readonly name: Name; readonly order: Calls[Name][0] };
}[CallName];

/** One update as the receiving application sees it. */
export interface Arrived {
  readonly nonce: bigint;
  readonly payments: readonly { readonly id: string; readonly amount: bigint }[];
}

export type Notice =
  | { readonly kind: "loaded" }
  | { readonly kind: "answer"; readonly call: number; readonly result: unknown }
  | { readonly kind: "refusal"; readonly call: number; readonly code: string; readonly message: string }
  | { readonly kind: "paid"; readonly id: string }
  | { readonly kind: "unpaid"; readonly id: string; readonly code: string }
  | { readonly kind: "arrived"; readonly update: Arrived }
  | { readonly kind: "gate"; readonly step: LocalStep }
  | { readonly kind: "warning"; readonly code: string; readonly message: string }
  | { readonly kind: "dispute"; readonly action: string; readonly detail: string };

import type { Address, ChannelId, Phase } from "../protocol/index.ts";
import type { Approval } from "./limits/approvals.ts";
import type { Decision } from "./limits/decisions.ts";
import type { Payment, PaymentBatch } from "./payment.ts";
import type { MadeRequest } from "./requests/requestInfo.ts";

/**
 * What a node tells its application.
 *
 * `payment` and `payments` are **final**: the update is on this node's disk, synced, before the event, so neither
 * a crash of both nodes nor the payer can take it back; the chain pays it if the payer will not. They are told once
 * per process; what a crash swallowed between disk and event is read with `node.received(channelId, { after })`.
 */
export interface NodeEvents {
  /** One received payment. */
  payment: [Payment];
  /** All payments of one update; cheaper than `payment` at high rates. */
  payments: [PaymentBatch];
  /** A request this node made was paid: final, as `payment` is, and in the request's state for ever. */
  request: [MadeRequest];
  /** A channel entered a phase, or its capacity changed by something other than a payment. */
  channel: [{ readonly channelId: ChannelId; readonly phase: Phase }];
  /** A peer connected or disconnected. */
  peer: [
    {
      readonly signer: Address;
      readonly connected: boolean;
      /** Why the session ended. */
      readonly reason?: string | undefined;
      /** With the reason `remote_error`: the code under which the peer ended it. */
      readonly remoteCode?: string | undefined;
    },
  ];
  /**
   * A close that not both have signed: `closeSeen` (the other side's), `closing` and `startClose` (ours), `challenge` (our
   * answer to an older proof), `settle`. Each transaction is told once, when it is confirmed.
   */
  dispute: [{ readonly channelId: ChannelId; readonly action: string; readonly detail: string }];
  /** What limits and alarms decided about spending, and why. */
  decision: [Decision];
  /** A payment is held for approval, or was approved or denied. */
  approval: [Approval];
  /**
   * Something an operator should know: a lying peer, a chain that is down, a wallet too low. With one code about one
   * channel only the first few of every minute, and at its end how many more there were.
   */
  warning: [{ readonly code: string; readonly message: string; readonly channelId?: ChannelId | undefined }];
}

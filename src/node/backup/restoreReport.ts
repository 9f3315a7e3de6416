import type { Address, ChannelId } from "../../protocol/index.ts";

/** Something nothing here can tell. */
export interface Unknown {
  readonly code: string;
  readonly text: string;
}

const UNKNOWNS: readonly Unknown[] = [
  {
    code: "payments_since",
    text: "payments since the proofs named here: each peer returns ours, which our own signature proves, and its own, for which only its word stands",
  },
  {
    code: "channels_since",
    text: "channels opened since the backup of which there is no copy: the chain names them once the node runs",
  },
  {
    code: "signed_since",
    text: "withdrawals and closes signed since: the node waits until they have lapsed, up to an hour, before it meets peers",
  },
  {
    code: "records_since",
    text: "access tokens, budgets, limits, labels, requests and operations since the backup: tokens revoked since are valid again, budgets stand where they stood",
  },
  {
    code: "single_payments",
    text: "the single payments between the backup and a newer copied proof: their total is proven, they cannot be listed",
  },
];

/** Where there was no backup. */
const UNKNOWNS_WITHOUT: readonly Unknown[] = [
  {
    code: "payments_since",
    text: "what was paid beyond the copies: each peer returns ours, which our own signature proves, and its own, for which only its word stands",
  },
  {
    code: "channels_since",
    text: "channels of which there is no copy: the chain names them once the node runs",
  },
  UNKNOWNS.find(({ code }) => code === "signed_since")!,
  {
    code: "peer_addresses",
    text: "where peers are: they may come by themselves; else connect to them, the sooner the better",
  },
  {
    code: "records_since",
    text: "access tokens, budgets, limits, labels, requests, operations and the list of single payments: they are gone",
  },
];

/** Where a channel stands after the restore, before anybody was asked. Amounts in the token's base unit. */
export interface RestoredChannel {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly token: Address;
  readonly phase: string;
  readonly sent: bigint;
  readonly received: bigint;
  /** Whence the newest incoming proof is. */
  readonly proof: "backup" | "copy";
  /** Unix seconds: every payment received by then is proven. */
  readonly provenThrough: number;
  /** The most the peer may have paid since. Its honesty, or a newer copy of its proof, brings it back. */
  readonly atRisk: bigint;
}

export interface RestoreReport {
  /** The node's settings as they were backed up; empty if none were. */
  readonly config: string;
  /** For the new machine's keystore. Secret. */
  readonly mnemonic: string;
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly account: Address;
  /** When the backup was made, Unix seconds; 0 without one. */
  readonly createdAt: number;
  readonly channels: readonly RestoredChannel[];
  /** What nothing here can tell. */
  readonly unknown: readonly Unknown[];
  /** Files of the second place that could not be used, and why. */
  readonly unusedCopies: readonly { readonly name: string; readonly reason: string }[];
}

/** What a restored database cannot know: with a backup, or from what lies beside one alone. */
export function unknownsOf(channels: readonly RestoredChannel[], hasBackup: boolean): readonly Unknown[] {
  if (!hasBackup) return UNKNOWNS_WITHOUT;
  const isGap = channels.some(({ proof }) => proof === "copy");
  return UNKNOWNS.filter(({ code }) => code !== "single_payments" || isGap);
}

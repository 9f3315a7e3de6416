import type { Result } from "ethers/abi";
import type { Address } from "../protocol/address.ts";
import type { Hex } from "../protocol/bytes.ts";
import type { Channel, ChannelId } from "../protocol/channel.ts";
import { escrowInterface } from "./escrow.ts";
import type { RawLog } from "./eth.ts";

/** Where on the chain an event stands. */
export interface EventPlace {
  readonly block: { readonly number: number; readonly hash: Hex; readonly timestamp: number };
  readonly transactionHash: Hex;
  readonly logIndex: number;
}

/** What the escrow said about a waiting payout of an account; base units. */
export interface PayoutEvent {
  readonly kind: "payoutWithdrawn";
  readonly token: Address;
  readonly account: Address;
  readonly to: Address;
  readonly amount: bigint;
}

/** What the escrow said. */
export type EscrowEvent = ChannelEvent | PayoutEvent;

/** What the escrow said about one channel; amounts in the token's base unit, times in Unix seconds. */
export type ChannelEvent =
  | { readonly kind: "opened"; readonly channelId: ChannelId; readonly channel: Channel }
  | {
      readonly kind: "deposited";
      readonly channelId: ChannelId;
      readonly participant: Address;
      readonly totalDeposit: bigint;
    }
  | {
      readonly kind: "withdrawn";
      readonly channelId: ChannelId;
      readonly participant: Address;
      readonly totalWithdrawn: bigint;
    }
  | {
      readonly kind: "closeStarted";
      readonly channelId: ChannelId;
      readonly closer: Address;
      readonly deadline: bigint;
    }
  | {
      readonly kind: "proofRecorded";
      readonly channelId: ChannelId;
      readonly payer: Address;
      readonly nonce: bigint;
      readonly transferred: bigint;
      readonly locked: bigint;
      readonly deadline: bigint;
    }
  | {
      readonly kind: "lockClaimed";
      readonly channelId: ChannelId;
      readonly payer: Address;
      readonly lockId: bigint;
      readonly preimage: Hex;
    }
  | {
      readonly kind: "settled";
      readonly channelId: ChannelId;
      readonly share0: bigint;
      readonly share1: bigint;
      readonly cooperative: boolean;
    }
  | {
      readonly kind: "payoutCredited";
      readonly channelId: ChannelId;
      readonly token: Address;
      readonly account: Address;
      readonly amount: bigint;
    };

const PAYOUT_WITHDRAWN = escrowInterface.getEvent("PayoutWithdrawn").topicHash;

/** Whether a log tells that a waiting payout of `account` was delivered. */
export function isPayoutOf({ topics }: Pick<RawLog, "topics">, account: Address): boolean {
  return (
    topics[0] === PAYOUT_WITHDRAWN && topics[2]?.toLowerCase() === `0x${account.slice(2).padStart(64, "0")}`
  );
}

/** The escrow event a log carries, or undefined when it is none. */
export function decodeEvent(log: Pick<RawLog, "topics" | "data">): EscrowEvent | undefined {
  let parsed: { name: string; args: Result } | null;
  try {
    parsed = escrowInterface.parseLog(log);
  } catch {
    return undefined; // a topic of ours over data that is not: no escrow emits it
  }
  if (parsed === null) return undefined;
  return parsed.name === "PayoutWithdrawn" ? payoutFrom(parsed.args) : fromArgs(parsed.name, parsed.args);
}

function payoutFrom({ token, account, to, amount }: Result): PayoutEvent {
  return { kind: "payoutWithdrawn", token: lower(token), account: lower(account), to: lower(to), amount };
}

function fromArgs(name: string, args: Result): ChannelEvent | undefined {
  const channelId = lower(args.channelId) as ChannelId;
  switch (name) {
    case "ChannelOpened":
      return { kind: "opened", channelId, channel: channelFrom(args.channel) };
    case "Deposited":
      return {
        kind: "deposited",
        channelId,
        participant: lower(args.participant),
        totalDeposit: args.totalDeposit,
      };
    case "Withdrawn":
      return {
        kind: "withdrawn",
        channelId,
        participant: lower(args.participant),
        totalWithdrawn: args.totalWithdrawn,
      };
    case "CloseStarted":
      return { kind: "closeStarted", channelId, closer: lower(args.closer), deadline: args.deadline };
    case "ProofRecorded":
      return {
        kind: "proofRecorded",
        channelId,
        payer: lower(args.payer),
        nonce: args.nonce,
        transferred: args.transferred,
        locked: args.locked,
        deadline: args.deadline,
      };
    case "LockClaimed":
      return {
        kind: "lockClaimed",
        channelId,
        payer: lower(args.payer),
        lockId: args.lockId,
        preimage: lower(args.preimage),
      };
    case "Settled":
      return {
        kind: "settled",
        channelId,
        share0: args.share0,
        share1: args.share1,
        cooperative: args.cooperative,
      };
    case "PayoutCredited":
      return {
        kind: "payoutCredited",
        channelId,
        token: lower(args.token),
        account: lower(args.account),
        amount: args.amount,
      };
    default:
      return undefined;
  }
}

function channelFrom(tuple: Result): Channel {
  return {
    participant0: lower(tuple.participant0),
    participant1: lower(tuple.participant1),
    signer0: lower(tuple.signer0),
    signer1: lower(tuple.signer1),
    token: lower(tuple.token),
    challengePeriod: Number(tuple.challengePeriod),
    salt: tuple.salt,
  };
}

/** ethers gives checksummed addresses; inside the node they are lower-case. */
function lower<T extends Hex>(text: string): T {
  return text.toLowerCase() as T;
}

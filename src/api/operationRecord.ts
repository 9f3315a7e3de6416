import { createHash, randomBytes } from "node:crypto";
import type { CloseMode } from "../node/channel/closer.ts";
import type { SendOrder } from "../node/sends/sendOrder.ts";
import type { Address, ChannelId, Hex } from "../protocol/index.ts";
import type { Operation } from "./schema/operation.ts";
import type { Problem } from "./schema/problem.ts";

/** What was asked for. Amounts as decimal strings, as everything stored. */
export type Order =
  | {
      readonly kind: "open";
      readonly peer: string;
      readonly token: Address;
      readonly amount: string;
      readonly requestDeposit: string;
      readonly challengePeriod?: number | undefined;
    }
  | { readonly kind: "deposit" | "withdraw"; readonly channelId: ChannelId; readonly amount: string }
  | {
      readonly kind: "send";
      readonly to: Address;
      readonly token: Address;
      /** Or `all`. */
      readonly amount: string;
      readonly force: boolean;
    }
  | {
      readonly kind: "withdrawPayout";
      readonly token: Address;
      readonly to: Address;
      readonly force: boolean;
    }
  | { readonly kind: "close"; readonly channelId: ChannelId; readonly mode: CloseMode };

/** What is kept of an operation: enough to take it up again without doing anything twice. */
export interface OperationRecord {
  readonly operationId: string;
  readonly accessTokenId: string;
  readonly order: Order;
  readonly state: "running" | "succeeded" | "failed";
  /** How many losses the database had had; absent: none. */
  readonly losses?: number;
  /** An opening's channel, once both sides have agreed: noted before its deposit leaves. */
  readonly channelId?: ChannelId;
  /** A withdrawal's cumulative total, noted before anything is signed. */
  readonly total?: string;
  /** What a send sent, or fetching a payout brought. */
  readonly sent?: { readonly amount: string; readonly transaction: Hex };
  /** Unix seconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly problem?: Problem;
}

/** Operations by id; ids sort by time. */
export const OPERATIONS = "operation";
/** Ids of operations that are not over. */
export const UNFINISHED = "operation-unfinished";
/** The id that (access token, idempotency key) stands for. */
export const KEYS = "operation-key";

/** Sorts by time, then at random: two of one millisecond stay apart. */
export function newOperationId(now: number): string {
  return `${now.toString(36).padStart(9, "0")}${randomBytes(8).toString("hex")}`;
}

/** A send as the node takes it. */
export function sendOrderOf(order: Omit<Extract<Order, { kind: "send" }>, "kind">): SendOrder {
  const { to, token, amount, force } = order;
  return { to, token, amount: amount === "all" ? "all" : BigInt(amount), force };
}

/** A key of a caller's, as a record's key: what callers choose has any length and letters. */
export function operationKey(accessTokenId: string, idempotencyKey: string): string {
  return createHash("sha256").update(`${accessTokenId}\0${idempotencyKey}`).digest("hex");
}

/** Whether two orders ask for the same. */
export function sameOrder(one: Order, other: Order): boolean {
  const plain = (order: Order) => JSON.stringify(Object.entries(order).sort());
  return plain(one) === plain(other);
}

/** As callers see it. `progress` is what a running one waits for; without it, it does not run in this process. */
export function operationOf(
  record: OperationRecord,
  progress?: Operation["progress"],
  gas: Pick<Operation, "gasUsed" | "gasCost"> = {},
): Operation {
  const { operationId, order, state, createdAt, updatedAt, problem, sent } = record;
  const channelId = record.channelId ?? ("channelId" in order ? order.channelId : undefined);
  const interrupted = state === "running" && progress === undefined;
  return {
    operationId,
    kind: order.kind,
    state: interrupted ? "interrupted" : state,
    createdAt,
    updatedAt,
    ...(channelId !== undefined && { channelId }),
    ...("amount" in order && order.amount !== "all" && { amount: order.amount }),
    ...((order.kind === "send" || order.kind === "withdrawPayout") && { token: order.token, to: order.to }),
    ...sent,
    ...(state === "running" && progress !== undefined && { progress }),
    ...gas,
    ...(problem !== undefined && { problem }),
  };
}

import { intentsOf } from "../node/intentNames.ts";
import type { RivuletNode } from "../node/node.ts";
import { payoutIntent } from "../node/payouts/payoutOrder.ts";
import { intentOf } from "../node/sends/sendOrder.ts";
import type { OperationRecord } from "./operationRecord.ts";
import type { Operation } from "./schema/operation.ts";

/**
 * What this account paid so far for an operation's transactions: those that are confirmed, also the ones that had no
 * effect. Nothing for what the other side published.
 */
export async function gasOf(
  { books }: RivuletNode,
  record: OperationRecord,
): Promise<Pick<Operation, "gasUsed" | "gasCost">> {
  const { used, amount } = await books.journal.gasOf(intentsBehind(record));
  return used === 0n ? {} : { gasUsed: `${used}`, gasCost: `${amount}` };
}

function intentsBehind({ operationId, order, total, ...record }: OperationRecord): string[] {
  if (order.kind === "send") return [intentOf(operationId)];
  if (order.kind === "withdrawPayout") return [payoutIntent(operationId)];
  const channelId = "channelId" in order ? order.channelId : record.channelId;
  if (channelId === undefined) return [];
  switch (order.kind) {
    case "deposit":
      return intentsOf(channelId, { kind: "deposit", name: operationId });
    case "withdraw":
      return total === undefined ? [] : intentsOf(channelId, { kind: "withdraw", total: BigInt(total) });
    default:
      return intentsOf(channelId, { kind: order.kind });
  }
}

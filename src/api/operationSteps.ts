import type { z } from "zod";
import type { Spender } from "../node/limits/spender.ts";
import type { RivuletNode } from "../node/node.ts";
import type { OperationProgress } from "../node/progress.ts";
import type { Address, ChannelId } from "../protocol/index.ts";
import { ApiError } from "./error.ts";
import { type OperationRecord, sendOrderOf } from "./operationRecord.ts";
import type { OperationStep } from "./schema/operation.ts";

type Step = z.infer<typeof OperationStep>;

/** How long a withdrawal waits for its peer before it gives up: it needs a signature, and a closing needs none. */
const PEER_PATIENCE_MS = 10 * 60_000;

/** What an operation leaves behind while it runs. */
export interface Notes {
  /** Shows what is waited for now. */
  tell(step: Step): void;
  /** Both sides of an opening have agreed: the peer's address is kept from now on, over restarts too. */
  keepPeer(signer: Address, address: string): Promise<void>;
  /** Resolves once `change` is durable. */
  note(change: Partial<Pick<OperationRecord, "channelId" | "total" | "sent">>): Promise<void>;
}

/** Whether a restarted node takes an operation up by itself: it may have begun, and cannot be done twice. */
export async function goesOn(
  node: RivuletNode,
  { operationId, order, channelId, total }: OperationRecord,
): Promise<boolean> {
  // What was not signed needs the caller again, whose budgets it is counted against.
  if (order.kind === "send") return node.hasSigned(operationId);
  if (order.kind === "withdrawPayout") return node.hasSignedPayout(operationId);
  if (order.kind === "open") return channelId !== undefined;
  return order.kind === "withdraw" ? total !== undefined : true;
}

/**
 * Throws `operation_uncertain` for what the database may have forgotten having signed: a restored one knows nothing of
 * the transactions that the old machine sent.
 */
async function assertCertain(
  node: RivuletNode,
  { operationId, order, channelId, losses = 0 }: OperationRecord,
): Promise<void> {
  if (losses === node.backup.losses) return;
  switch (order.kind) {
    case "send":
      if (await node.hasSigned(operationId)) return;
      break;
    case "deposit":
      if (await node.hasDeposited(order.channelId, operationId)) return;
      break;
    case "open":
      if (channelId !== undefined && (await node.hasDeposited(channelId))) return;
      break;
    default:
      return; // the chain tells what was withdrawn, and what is closed
  }
  throw new ApiError({ code: "operation_uncertain", fields: { operationId } });
}

/** Carries out what was asked for, from wherever an earlier process left it. */
export async function carryOut(
  node: RivuletNode,
  record: OperationRecord,
  notes: Notes,
  signal: AbortSignal,
  spender?: Spender,
): Promise<void> {
  await assertCertain(node, record);
  const { order, operationId } = record;
  const onProgress = (progress: OperationProgress) => notes.tell(stepOf(progress));
  switch (order.kind) {
    case "open":
      return open(node, record, order, notes, signal);
    case "deposit":
      return node.deposit(order.channelId, BigInt(order.amount), {
        name: operationId,
        signal,
        onProgress,
      });
    case "withdraw":
      return withdraw(node, record, order, notes, signal);
    case "send": {
      const payment = { peer: order.to, token: order.token };
      const { amount, transaction } = await node.send(sendOrderOf(order), {
        name: operationId,
        admit: (coming) => node.spending.admit(spender, { ...payment, amount: coming }),
        signal,
        onProgress,
      });
      return notes.note({ sent: { amount: `${amount}`, transaction } });
    }
    case "withdrawPayout": {
      const { token, to, force } = order;
      const { amount, transaction } = await node.withdrawPayout(
        { token, to, force },
        {
          name: operationId,
          admit: (coming) => node.spending.admit(spender, { peer: to, token, amount: coming }),
          signal,
          onProgress,
        },
      );
      return notes.note({ sent: { amount: `${amount}`, transaction } });
    }
    case "close": {
      await node.close(order.channelId, { mode: order.mode, signal, onProgress });
    }
  }
}

async function open(
  node: RivuletNode,
  { channelId }: OperationRecord,
  order: Extract<OperationRecord["order"], { kind: "open" }>,
  notes: Notes,
  signal: AbortSignal,
): Promise<void> {
  const deposit = BigInt(order.amount);
  const onProgress = (progress: OperationProgress) => notes.tell(stepOf(progress));
  if (channelId !== undefined) {
    try {
      await node.finishOpening(channelId, { deposit, signal, onProgress });
      return;
    } catch (error) {
      // Agreed on, never paid for, and forgotten after a day: nothing was deposited, so it begins anew.
      if ((error as { code?: string }).code !== "channel_unknown") throw error;
    }
  }
  await node.openChannel({
    peer: order.peer,
    token: order.token,
    deposit,
    requestDeposit: BigInt(order.requestDeposit),
    ...(order.challengePeriod !== undefined && { challengePeriod: order.challengePeriod }),
    onAgreed: async (agreed: ChannelId) => {
      if (order.peer.startsWith("/"))
        await notes.keepPeer((await node.history.channelFacts(agreed)).peer, order.peer);
      await notes.note({ channelId: agreed });
    },
    signal,
    onProgress,
  });
}

async function withdraw(
  node: RivuletNode,
  { total }: OperationRecord,
  { channelId, amount }: { readonly channelId: ChannelId; readonly amount: string },
  notes: Notes,
  signal: AbortSignal,
): Promise<void> {
  const patience = new AbortController();
  const timer = setTimeout(
    () => patience.abort(new DOMException("too late", "TimeoutError")),
    PEER_PATIENCE_MS,
  );
  try {
    await node.withdraw(channelId, BigInt(amount), {
      total: total === undefined ? undefined : BigInt(total),
      onTotal: async (cumulative) => {
        clearTimeout(timer);
        await notes.note({ total: String(cumulative) });
      },
      signal: AbortSignal.any([signal, patience.signal]),
      onProgress: (progress) => {
        if (progress.step !== "connecting") clearTimeout(timer);
        notes.tell(stepOf(progress));
      },
    });
  } catch (error) {
    if (error !== patience.signal.reason || error === undefined) throw error;
    const { peer } = await node.history.channelFacts(channelId);
    throw new ApiError({
      code: "peer_away",
      fields: { peer, waitedSeconds: BigInt(PEER_PATIENCE_MS / 1000) },
    });
  } finally {
    clearTimeout(timer);
  }
}

function stepOf({ step, progress, until }: OperationProgress): Step {
  return {
    step,
    ...(until !== undefined && { until: Number(until) }),
    ...(progress !== undefined && "hash" in progress && { transaction: progress.hash }),
    ...(progress !== undefined && "confirmations" in progress && confirmationsOf(progress)),
    ...(progress?.stage === "waiting" && { waiting: progress.reason }),
  };
}

function confirmationsOf({ confirmations, needed }: { confirmations: number; needed: number }) {
  return { confirmations, confirmationsNeeded: needed };
}

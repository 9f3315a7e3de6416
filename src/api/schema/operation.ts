import { z } from "zod";
import { Address, Amount, ChannelId, pageQueryOf, UnixSeconds } from "./common.ts";
import { Problem } from "./problem.ts";

/** What an operation waits for now. */
export const OperationStep = z.object({
  /** For example `proposed`, `accepted`, `approve`, `deposit`, `crediting`, `signing`, `closing`, `settling`. */
  step: z.string(),
  transaction: z.string().optional(),
  confirmations: z.int().optional(),
  confirmationsNeeded: z.int().optional(),
  /** Why nothing moves at the moment, as a code. */
  waiting: z.string().optional(),
  /** Unix seconds at which the wait ends by itself, where that is known. */
  until: UnixSeconds.optional(),
});

/**
 * Something that waits for the chain: opening, depositing, withdrawing, closing, sending, fetching a payout. It goes on whether or not anybody
 * asks. `interrupted`: the node was stopped in the middle; the same idempotency key takes it up again.
 */
export const Operation = z
  .object({
    operationId: z.string(),
    kind: z.enum(["open", "deposit", "withdraw", "close", "send", "withdrawPayout"]),
    state: z.enum(["running", "succeeded", "failed", "interrupted"]),
    channelId: ChannelId.optional(),
    /** Of a send of everything and of a fetched payout: once it is known. */
    amount: Amount.optional(),
    /** Of a send and of a fetched payout. */
    token: Address.optional(),
    to: Address.optional(),
    /** The confirmed transaction of a send, or of fetching a payout. */
    transaction: z.string().optional(),
    createdAt: UnixSeconds,
    updatedAt: UnixSeconds,
    progress: OperationStep.optional(),
    /**
     * Gas that this account's transactions for it used, and wei paid for them, as far as they are confirmed. Absent
     * when there is none yet, when the peer published them, and in events.
     */
    gasUsed: z.string().optional(),
    gasCost: Amount.optional(),
    problem: Problem.optional(),
  })
  .meta({ id: "Operation" });
export type Operation = z.infer<typeof Operation>;

export const OperationsQuery = pageQueryOf(Operation.shape.state);

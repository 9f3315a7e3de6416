import { z } from "zod";
import { Phase } from "./channel.ts";
import { Address, ChannelId, Cursor, UnixSeconds } from "./common.ts";
import { Approval, Decision } from "./limits.ts";
import { Operation } from "./operation.ts";
import { Payment } from "./payment.ts";
import { PaymentRequest } from "./request.ts";

const at = { cursor: Cursor, time: UnixSeconds };

/**
 * What the stream tells, in order. Every event is on disk before it is told, and comes again from any cursor before it.
 * Of peers' comings and goings and of warnings a flood is not kept whole.
 */
export const Event = z
  .discriminatedUnion("type", [
    z.object({ ...at, type: z.literal("payment"), payment: Payment }),
    z.object({ ...at, type: z.literal("channel"), channelId: ChannelId, phase: Phase }),
    z.object({
      ...at,
      type: z.literal("dispute"),
      channelId: ChannelId,
      action: z.string(),
      detail: z.string(),
    }),
    z.object({ ...at, type: z.literal("request"), request: PaymentRequest }),
    z.object({ ...at, type: z.literal("operation"), operation: Operation }),
    z.object({ ...at, type: z.literal("approval"), approval: Approval }),
    z.object({ ...at, type: z.literal("decision"), decision: Decision }),
    z.object({
      ...at,
      type: z.literal("peer"),
      signer: Address,
      connected: z.boolean(),
      reason: z.string().optional(),
    }),
    z.object({
      ...at,
      type: z.literal("warning"),
      code: z.string(),
      message: z.string(),
      channelId: ChannelId.optional(),
    }),
  ])
  .meta({ id: "Event" });
export type Event = z.infer<typeof Event>;

export const EventsQuery = z.object({
  /** Goes on behind this cursor; `Last-Event-ID` does the same. Absent: from now on. `0`: from the oldest kept. */
  after: Cursor.optional(),
  types: z
    .string()
    .max(200)
    .optional()
    .meta({ description: "Types to tell, separated by commas. All by default." }),
});

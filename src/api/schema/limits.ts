import { z } from "zod";
import {
  Address,
  Amount,
  ChannelId,
  PositiveAmount,
  pageQueryOf,
  SpendingCaps,
  UnixSeconds,
} from "./common.ts";

/** What is done with a payment that trips a rule. */
export const OnTrip = z.enum(["refuse", "hold", "freeze"]).meta({
  description: "refuse it; hold it for approval; refuse it and freeze all spending until a human thaws it.",
});

/** Limits in one token. */
export const SpendingLimits = SpendingCaps.extend({
  /** Most of our own money in one channel: deposit plus received less sent and withdrawn. */
  perChannel: PositiveAmount.optional(),
});

/** Trips when more is paid within the window than `times` the spender's own usual rate. */
export const VelocityAlarm = z.object({
  windowSeconds: z.int().min(1).max(86_400).default(60),
  times: z.number().min(1.5).max(1000).default(10),
  /** Below this much within the window nothing is an alarm. Per token. */
  floor: z.array(z.object({ token: Address, amount: PositiveAmount })).default([]),
  onTrip: OnTrip.default("hold"),
});

export const LimitsPolicy = z
  .object({
    node: z.array(SpendingLimits).max(100).default([]),
    peers: z
      .array(SpendingLimits.extend({ peer: Address }))
      .max(10_000)
      .default([]),
    velocity: VelocityAlarm.optional(),
    onLimit: OnTrip.default("refuse"),
  })
  .meta({ id: "LimitsPolicy" });
export type LimitsPolicy = z.infer<typeof LimitsPolicy>;

export const Decision = z
  .object({
    id: z.string(),
    time: UnixSeconds,
    verdict: z.enum(["refused", "held", "frozen", "approved", "denied", "thawed", "expired"]),
    /** The rule that decided, for example `node.perDay` or `velocity`. */
    rule: z.string(),
    /** In words: what was asked, what the rule allows, what had been spent. */
    reason: z.string(),
    accessToken: z.string().optional(),
    peer: Address.optional(),
    channelId: ChannelId.optional(),
    token: Address.optional(),
    amount: Amount.optional(),
  })
  .meta({ id: "Decision" });
export type Decision = z.infer<typeof Decision>;

/** A payment that waits for a human. It is not made before, and never after it expired. */
export const Approval = z
  .object({
    id: z.string(),
    state: z.enum(["waiting", "approved", "denied", "expired"]),
    createdAt: UnixSeconds,
    expiresAt: UnixSeconds,
    rule: z.string(),
    reason: z.string(),
    accessToken: z.string().optional(),
    peer: Address,
    channelId: ChannelId,
    token: Address,
    amount: Amount,
  })
  .meta({ id: "Approval" });
export type Approval = z.infer<typeof Approval>;

export const ApprovalsQuery = pageQueryOf(Approval.shape.state);

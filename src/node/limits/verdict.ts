import type { Address, ChannelId, Hex } from "../../protocol/index.ts";
import { NodeError } from "../error.ts";
import type { SpendingAccount } from "./account.ts";
import type { Approval, Approvals } from "./approvals.ts";
import type { Budget, Trip } from "./caps.ts";
import type { NewDecision } from "./decisions.ts";
import type { OnTrip, PolicyBook, VelocityAlarm } from "./policy.ts";
import { answererOf, type Spender } from "./spender.ts";
import type { Habit, VelocityTrip } from "./velocity.ts";

/** One set of caps that a payment must pass, and who set them. */
export interface Guarded {
  readonly key: string;
  readonly rule: string;
  readonly caps: Budget;
  readonly account: SpendingAccount;
}

/** A payment that is asked for. */
export interface Wanted {
  readonly spender: Spender | undefined;
  readonly peer: Address;
  readonly token: Address;
  /** Undefined: the money leaves by a transaction of the account, to `peer`'s address. */
  readonly channelId?: ChannelId | undefined;
  readonly amount: bigint;
  readonly paymentId?: Hex | undefined;
}

/** What a payment is judged by, beside its budgets. */
export interface Bench {
  readonly approvals: Approvals;
  readonly policy: PolicyBook;
  /** Of the payment, see {@link Habit}. */
  readonly habits: readonly Habit[];
}

/** Why a payment may not be made, or undefined. Takes no time and changes nothing. `now`: Unix milliseconds. */
export function judge(
  wanted: Wanted,
  guarded: readonly Guarded[],
  { approvals, policy, habits }: Bench,
  now: number,
): Verdict | undefined {
  const { amount, channelId, paymentId, spender } = wanted;
  for (const { rule, caps, account } of guarded) {
    if (rule !== "budget") continue;
    const trip = account.check(caps, now, amount);
    if (trip !== undefined)
      return { code: "budget_exceeded", rule: `budget.${trip.rule}`, trip, onTrip: "refuse" };
  }
  const known =
    channelId && paymentId && approvals.of({ answersAs: answererOf(spender), channelId, paymentId });
  if (known) {
    if (known.amount !== amount) throw conflict(known.paymentId);
    if (known.state === "approved") return undefined;
    return { code: "payment_held", rule: known.rule, approval: known };
  }
  const { onLimit } = policy.policy;
  for (const { rule, caps, account } of guarded) {
    if (rule === "budget") continue;
    const trip = account.check(caps, now, amount);
    if (trip !== undefined)
      return { code: "limit_exceeded", rule: `${rule}.${trip.rule}`, trip, onTrip: onLimit };
  }
  return judgeVelocity(wanted, policy, habits, now);
}

function judgeVelocity(
  { token, amount }: Wanted,
  policy: PolicyBook,
  habits: readonly Habit[],
  now: number,
): Verdict | undefined {
  const { velocity } = policy.policy;
  if (velocity === undefined) return undefined;
  const rule = {
    windowMs: velocity.windowSeconds * 1000,
    times: velocity.times,
    floor: policy.floorOf(token),
  };
  for (const habit of habits) {
    const trip = habit.check(rule, now, amount);
    if (trip === undefined) continue;
    const limit = { rule: "velocity", limit: trip.allowed, spent: trip.recent - amount };
    const why = whyUnusual(trip, velocity);
    return { code: "limit_exceeded", rule: "velocity", trip: limit, onTrip: velocity.onTrip, why };
  }
  return undefined;
}

export type Verdict =
  | {
      readonly code: "budget_exceeded" | "limit_exceeded";
      readonly rule: string;
      readonly trip: Pick<Trip, "limit" | "spent">;
      readonly onTrip: OnTrip;
      /** In words, where the numbers alone do not say it. */
      readonly why?: string;
    }
  | { readonly code: "payment_held"; readonly rule: string; readonly approval: Approval };

export function conflict(paymentId: Hex): NodeError {
  return new NodeError({ code: "payment_conflict", fields: { paymentId } });
}

function whyUnusual(
  { recent, usual, allowed }: VelocityTrip,
  { windowSeconds, times }: VelocityAlarm,
): string {
  const asked = `${recent} within ${windowSeconds} s`;
  if (usual === 0n)
    return `${asked} is more than the floor of ${allowed}, and nothing is known yet of what is usual`;
  return `${asked} is more than ${times} times the usual ${usual}, which would be ${allowed}`;
}

export function heldError({ id, state, reason }: Approval): NodeError {
  return new NodeError({ code: "payment_held", fields: { approval: id, state, reason } });
}

export function decisionOf(
  { spender, peer, channelId, token, amount }: Wanted,
  verdict: NewDecision["verdict"],
  rule: string,
  reason: string,
): NewDecision {
  const by = { spender: spender?.id, answersAs: answererOf(spender) };
  return { verdict, rule, reason, ...by, peer, channelId, token, amount };
}

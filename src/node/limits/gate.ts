import { type Address, type ChannelId, type Hex, toHex } from "../../protocol/index.ts";
import type { ChannelMailbox } from "../channel/mailbox.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { NodeEvents } from "../events.ts";
import type { PaidOnce } from "../paidOnce.ts";
import type { Receipt } from "../payment.ts";
import type { Records } from "../records.ts";
import type { Hold, SpendingAccount } from "./account.ts";
import { type Approval, Approvals } from "./approvals.ts";
import type { Budget, Spent, Trip } from "./caps.ts";
import { Counters } from "./counters.ts";
import { Decisions, type NewDecision } from "./decisions.ts";
import { Freeze, type Frozen } from "./freeze.ts";
import { type LimitsPolicy, type OnTrip, PolicyBook, readPolicy, writePolicy } from "./policy.ts";
import { lineOf, type Spender } from "./spender.ts";
import type { Habit } from "./velocity.ts";

/** A payment somebody wants made. */
export interface SpendOrder {
  readonly channelId: ChannelId;
  readonly amount: bigint;
  /** 16 bytes: the same payment again is charged and made once. */
  readonly id: Uint8Array;
  readonly reference?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the gate asks of the rest of the node. */
export interface GateParts {
  readonly context: NodeContext;
  readonly paidOnce: PaidOnce;
  readonly load: (channelId: ChannelId) => Promise<ChannelMailbox>;
  /** Makes the payment, without asking anybody. */
  readonly pay: (order: SpendOrder) => Promise<Receipt>;
}

/** What the gate remembers over restarts. */
export interface KeptSpending {
  readonly freeze: Freeze;
  readonly approvals: Approvals;
  readonly decisions: Decisions;
  readonly policy: PolicyBook;
}

export async function readSpending(records: Records): Promise<KeptSpending> {
  return {
    freeze: await Freeze.open(records),
    approvals: await Approvals.open(records),
    decisions: await Decisions.open(records),
    policy: await readPolicy(records),
  };
}

/** Refusals after which nothing was sent for certain. Every other failure leaves the amount counted as spent. */
const UNSENT = new Set([
  "amount_invalid",
  "chain_stale",
  "channel_behind",
  "channel_not_open",
  "channel_stopped",
  "channel_unknown",
  "clock_skew",
  "insufficient_capacity",
  "option_invalid",
  "payment_conflict",
  "payment_unpaid",
  "peer_offline",
  "queue_full",
]);

/** One set of caps that a payment must pass, and who set them. */
interface Guarded {
  readonly key: string;
  readonly rule: string;
  readonly caps: Budget;
  readonly account: SpendingAccount;
}

interface Wanted {
  readonly spender: Spender | undefined;
  readonly peer: Address;
  readonly token: Address;
  readonly channelId: ChannelId;
  readonly amount: bigint;
  readonly paymentId: Hex;
}

/**
 * The one door for payments of the daemon: whoever pays passes the freeze, every budget from the access token up to
 * its oldest ancestor, the node's and the peer's limits and the velocity alarm, in this order. What is checked is
 * counted in the same turn of the event loop, so payments that come together cannot overspend together.
 */
export class SpendingGate {
  readonly #parts: GateParts;
  readonly #freeze: Freeze;
  readonly approvals: Approvals;
  readonly decisions: Decisions;
  #policy: PolicyBook;
  readonly #counters: Counters;
  /** Payments under way by channel and id: the same one again waits for the first. */
  readonly #underWay = new Map<string, { readonly amount: bigint; readonly receipt: Promise<Receipt> }>();

  constructor(parts: GateParts, kept: KeptSpending) {
    this.#parts = parts;
    this.#counters = new Counters(parts.context.records);
    this.#freeze = kept.freeze;
    this.approvals = kept.approvals;
    this.decisions = kept.decisions;
    this.#policy = kept.policy;
  }

  get policy(): LimitsPolicy {
    return this.#policy.policy;
  }

  /** Replaces the policy; in force once durable. What was spent before counts for the new limits as far as it was counted. */
  async setPolicy(policy: LimitsPolicy): Promise<void> {
    const book = new PolicyBook(policy);
    await writePolicy(this.#parts.context.records, policy);
    if (policy.velocity?.windowSeconds !== this.policy.velocity?.windowSeconds) this.#counters.forgetHabits();
    this.#policy = book;
  }

  get frozen(): Frozen | undefined {
    return this.#freeze.state;
  }

  /** Stops all spending until it is thawed, from this call on. */
  async freeze(reason: string, spender?: Spender): Promise<void> {
    const freezing = this.#freeze.freeze(reason);
    await this.#note({ verdict: "frozen", rule: "freeze", reason, spender: spender?.id });
    await freezing;
  }

  async unfreeze(spender?: Spender): Promise<void> {
    await this.#freeze.thaw();
    await this.#note({ verdict: "thawed", rule: "freeze", reason: "thawed by hand", spender: spender?.id });
  }

  /** Lets a held payment go or refuses it for good. Whoever asked for it asks again with the same payment id. */
  async decide(id: string, state: "approved" | "denied", spender?: Spender): Promise<Approval> {
    const approval = await this.approvals.decide(id, state);
    const { rule, peer, channelId, token, amount } = approval;
    const reason = `payment ${approval.paymentId} ${state} by hand`;
    await this.#note({ verdict: state, rule, reason, spender: spender?.id, peer, channelId, token, amount });
    await this.#tell("approval", approval);
    return approval;
  }

  /** What a spender has spent of a token, as far as it is counted. */
  async spentBy(spender: Spender, token: Address): Promise<Spent> {
    const account = await this.#counters.account(`token/${spender.id}/${token}`);
    return account.spent(Date.now());
  }

  /**
   * Pays if everything that has a say allows it. Rejects with `spending_frozen`, `payee_forbidden`, `budget_exceeded`,
   * `limit_exceeded`, `payment_held` and nothing paid, or with what the payment itself fails with.
   */
  async pay(spender: Spender | undefined, order: SpendOrder): Promise<Receipt> {
    const mailbox = await this.#parts.load(order.channelId);
    const name = `${order.channelId}/${toHex(order.id)}`;
    const pending = this.#underWay.get(name);
    if (pending !== undefined) {
      if (pending.amount === order.amount) return pending.receipt;
      throw conflict(toHex(order.id));
    }
    const receipt = this.#pay(spender, order, mailbox);
    this.#underWay.set(name, { amount: order.amount, receipt });
    try {
      return await receipt;
    } finally {
      this.#underWay.delete(name);
    }
  }

  /** Throws `limit_exceeded` when a channel would hold more of our own money than the policy allows. */
  checkExposure(peer: Address, token: Address, ours: bigint): void {
    for (const [rule, limits] of [
      ["node.perChannel", this.#policy.ofNode(token)],
      ["peer.perChannel", this.#policy.ofPeer(peer, token)],
    ] as const) {
      const limit = limits?.perChannel;
      if (limit === undefined || ours <= limit) continue;
      throw new NodeError({ code: "limit_exceeded", fields: { rule, limit, spent: ours, amount: 0n } });
    }
  }

  async #pay(spender: Spender | undefined, order: SpendOrder, mailbox: ChannelMailbox): Promise<Receipt> {
    const { amount, channelId, id } = order;
    // Paid before: its receipt is owed whatever the limits say now, and nothing is charged.
    if (await this.#parts.paidOnce.knows(mailbox, id)) return this.#parts.pay(order);
    const { token } = mailbox.state.terms.channel;
    const wanted: Wanted = { spender, peer: mailbox.peer, token, channelId, amount, paymentId: toHex(id) };
    await this.#refuseForbidden(wanted);
    const guarded = await this.#guarded(wanted);
    const holds = await this.#reserve(wanted, guarded);
    try {
      for (const { account, caps } of guarded) await account.cover(caps);
      // The brake may have been pulled while the disk was at work.
      this.#freeze.assertThawed();
    } catch (error) {
      release(guarded, holds);
      throw error;
    }
    try {
      return await this.#parts.pay(order);
    } catch (error) {
      if (isUnsent(error, order.signal)) release(guarded, holds);
      throw error;
    }
  }

  /** What no budget could allow: a frozen node, a payee or a token that was not granted. */
  async #refuseForbidden(wanted: Wanted): Promise<void> {
    try {
      this.#freeze.assertThawed();
      for (const { id, payees, budgets } of lineOf(wanted.spender)) {
        const payeeFits = payees === undefined || payees.has(wanted.peer);
        const tokenFits = budgets === undefined || budgets.some(({ token }) => token === wanted.token);
        if (payeeFits && tokenFits) continue;
        const fields = { peer: wanted.peer, token: wanted.token, accessToken: id };
        throw new NodeError({ code: "payee_forbidden", fields });
      }
    } catch (error) {
      const { code } = error as NodeError;
      await this.#note(decisionOf(wanted, "refused", code, (error as Error).message));
      throw error;
    }
  }

  /** Everything that counts this payment, opened before the turn in which it is checked. */
  async #guarded({ spender, peer, token }: Wanted): Promise<Guarded[]> {
    const guarded: Omit<Guarded, "account">[] = [];
    for (const { id, budgets } of lineOf(spender)) {
      const caps = budgets?.find((budget) => budget.token === token);
      if (caps !== undefined) guarded.push({ key: `token/${id}/${token}`, rule: "budget", caps });
    }
    const node = this.#policy.ofNode(token);
    if (node !== undefined) guarded.push({ key: `node/${token}`, rule: "node", caps: node });
    const ofPeer = this.#policy.ofPeer(peer, token);
    if (ofPeer !== undefined) guarded.push({ key: `peer/${peer}/${token}`, rule: "peer", caps: ofPeer });
    const opened: Guarded[] = [];
    for (const one of guarded) opened.push({ ...one, account: await this.#counters.account(one.key) });
    return opened;
  }

  /** Checks and counts in one turn; nothing of another payment comes in between. */
  async #reserve(wanted: Wanted, guarded: readonly Guarded[]): Promise<Hold[]> {
    const now = Date.now();
    const verdict = this.#judge(wanted, guarded, now);
    if (verdict === undefined) {
      for (const habit of this.#habits(wanted)) habit.add(now, wanted.amount);
      return guarded.map(({ account }) => account.hold(now, wanted.amount));
    }
    return this.#act(wanted, verdict);
  }

  #judge(wanted: Wanted, guarded: readonly Guarded[], now: number): Verdict | undefined {
    const { amount, channelId, paymentId } = wanted;
    for (const { rule, caps, account } of guarded) {
      if (rule !== "budget") continue;
      const trip = account.check(caps, now, amount);
      if (trip !== undefined)
        return { code: "budget_exceeded", rule: `budget.${trip.rule}`, trip, onTrip: "refuse" };
    }
    const known = this.approvals.of(channelId, paymentId);
    if (known !== undefined) {
      if (known.amount !== amount) throw conflict(paymentId);
      if (known.state === "approved") return undefined;
      return { code: "payment_held", rule: known.rule, approval: known };
    }
    const { onLimit, velocity } = this.policy;
    for (const { rule, caps, account } of guarded) {
      if (rule === "budget") continue;
      const trip = account.check(caps, now, amount);
      if (trip !== undefined)
        return { code: "limit_exceeded", rule: `${rule}.${trip.rule}`, trip, onTrip: onLimit };
    }
    if (velocity === undefined) return undefined;
    const rule = {
      windowMs: velocity.windowSeconds * 1000,
      times: velocity.times,
      floor: this.#policy.floorOf(wanted.token),
    };
    for (const habit of this.#habits(wanted)) {
      const trip = habit.check(rule, now, amount);
      if (trip === undefined) continue;
      const limit = { rule: "velocity", limit: trip.allowed, spent: trip.recent - amount };
      return { code: "limit_exceeded", rule: "velocity", trip: limit, onTrip: velocity.onTrip };
    }
    return undefined;
  }

  /** Carries a refusal out; never returns. */
  async #act(wanted: Wanted, verdict: Verdict): Promise<never> {
    if (verdict.code === "payment_held") throw heldError(verdict.approval);
    const { code, rule, trip, onTrip } = verdict;
    const { amount } = wanted;
    const error = new NodeError({
      code,
      fields: { rule, limit: trip.limit, spent: trip.spent, amount },
    });
    if (onTrip === "hold") {
      const { spender, ...payment } = wanted;
      const approval = await this.approvals.hold({
        ...payment,
        spender: spender?.id,
        rule,
        reason: error.message,
      });
      await this.#note(decisionOf(wanted, "held", rule, error.message));
      await this.#tell("approval", approval);
      throw heldError(approval);
    }
    await this.#note(decisionOf(wanted, "refused", rule, error.message));
    if (onTrip === "freeze") await this.freeze(`${rule}: ${error.message}`, wanted.spender);
    throw error;
  }

  /** Of the peer and of the innermost spender; none while there is no alarm. */
  #habits({ spender, peer, token }: Wanted): Habit[] {
    const { velocity } = this.policy;
    if (velocity === undefined) return [];
    const keys = [`peer/${peer}/${token}`, `token/${spender?.id ?? ""}/${token}`];
    return keys.map((key) => this.#counters.habit(key, velocity.windowSeconds * 1000));
  }

  async #note(decision: NewDecision): Promise<void> {
    const noted = await this.decisions.add(decision);
    if (noted !== undefined) await this.#tell("decision", noted);
  }

  /** To the log of events and to the application. */
  async #tell<Name extends "approval" | "decision">(name: Name, told: NodeEvents[Name][0]): Promise<void> {
    const { context } = this.#parts;
    await context.history.append(name, { ...told, amount: told.amount?.toString() });
    (context.emit as (name: string, told: unknown) => void)(name, told);
  }
}

type Verdict =
  | {
      readonly code: "budget_exceeded" | "limit_exceeded";
      readonly rule: string;
      readonly trip: Pick<Trip, "limit" | "spent">;
      readonly onTrip: OnTrip;
    }
  | { readonly code: "payment_held"; readonly rule: string; readonly approval: Approval };

function conflict(paymentId: Hex): NodeError {
  return new NodeError({ code: "payment_conflict", fields: { paymentId } });
}

function heldError({ id, state, reason }: Approval): NodeError {
  return new NodeError({ code: "payment_held", fields: { approval: id, state, reason } });
}

function decisionOf(
  { spender, peer, channelId, token, amount }: Wanted,
  verdict: NewDecision["verdict"],
  rule: string,
  reason: string,
): NewDecision {
  return { verdict, rule, reason, spender: spender?.id, peer, channelId, token, amount };
}

function release(guarded: readonly Guarded[], holds: readonly Hold[]): void {
  for (const [at, { account }] of guarded.entries()) account.release(holds[at]!);
}

/** A wait that was given up ended before the payment was queued: once queued, a payment waits for no signal. */
function isUnsent(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof NodeError && UNSENT.has(error.code);
}

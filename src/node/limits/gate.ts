import { type Address, type ChannelId, toHex } from "../../protocol/index.ts";
import type { ChannelMailbox } from "../channel/mailbox.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { PaidOnce } from "../paidOnce.ts";
import type { Receipt } from "../payment.ts";
import type { Records } from "../records.ts";
import { type Approval, Approvals } from "./approvals.ts";
import type { Spent } from "./caps.ts";
import { Counters } from "./counters.ts";
import { Decisions } from "./decisions.ts";
import { Freeze, type Frozen } from "./freeze.ts";
import type { Admitted, Held } from "./held.ts";
import { type LimitsPolicy, PolicyBook, readPolicy, writePolicy } from "./policy.ts";
import { UNSENT } from "./refusals.ts";
import { Rulings } from "./rulings.ts";
import { answererOf, assertGranted, lineOf, type Spender } from "./spender.ts";
import { PaymentsUnderWay } from "./underWay.ts";
import type { Habit } from "./velocity.ts";
import { type Guarded, judge, type Wanted } from "./verdict.ts";

/** A payment somebody wants made. */
export interface SpendOrder {
  readonly channelId: ChannelId;
  readonly amount: bigint;
  /** 16 bytes: the same payment again is charged and made once. */
  readonly id: Uint8Array;
  readonly reference?: Uint8Array | undefined;
  /** What the owner calls the payment; kept with it, and not when it is refused. */
  readonly label?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is known of a payment before its channel is chosen. */
export type Payment = Pick<Wanted, "peer" | "token" | "amount">;

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
  readonly #rulings: Rulings;
  #policy: PolicyBook;
  readonly #counters: Counters;
  readonly #underWay = new PaymentsUnderWay();

  constructor(parts: GateParts, kept: KeptSpending) {
    this.#parts = parts;
    this.#counters = new Counters(parts.context.records);
    this.#freeze = kept.freeze;
    this.approvals = kept.approvals;
    this.decisions = kept.decisions;
    this.#rulings = new Rulings(parts.context, kept);
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
  freeze(reason: string, spender?: Spender): Promise<void> {
    return this.#rulings.freeze(reason, spender);
  }

  unfreeze(spender?: Spender): Promise<void> {
    return this.#rulings.thaw(spender);
  }

  /** Lets a held payment go or refuses it for good. Whoever asked for it asks again with the same payment id. */
  decide(id: string, state: "approved" | "denied", spender?: Spender): Promise<Approval> {
    return this.#rulings.decide(id, state, spender);
  }

  /** A channel on which a payment with this id was made; undefined if there is none. */
  paidOn(id: Uint8Array): Promise<ChannelId | undefined> {
    return this.#parts.paidOnce.paidOn(id);
  }

  /** Forgets what a spender spent that is gone for good. */
  forget(spenderId: string): Promise<void> {
    return this.#counters.forget(`token/${spenderId}/`);
  }

  /** What a spender has spent of a token, as far as it is counted. */
  async spentBy(spender: Spender, token: Address): Promise<Spent> {
    return this.#counters.spent(`token/${spender.id}/${token}`);
  }

  /**
   * Pays if everything that has a say allows it. Rejects with `spending_frozen`, `payee_forbidden`, `budget_exceeded`,
   * `limit_exceeded`, `payment_held` and nothing paid, or with what the payment itself fails with.
   */
  async pay(spender: Spender | undefined, order: SpendOrder): Promise<Receipt> {
    const mailbox = await this.#parts.load(order.channelId);
    return this.#underWay.make(spender?.id, order, () => this.#pay(spender, order, mailbox));
  }

  /** Most of our own money in one channel; undefined: any. */
  exposureLimit(peer: Address, token: Address): bigint | undefined {
    return this.#policy.exposure(peer, token)?.limit;
  }

  /** Throws `limit_exceeded` when a channel would hold more of our own money than the policy allows. */
  checkExposure(peer: Address, token: Address, ours: bigint): void {
    const most = this.#policy.exposure(peer, token);
    if (most === undefined || ours <= most.limit) return;
    throw new NodeError({ code: "limit_exceeded", fields: { ...most, spent: ours, amount: 0n } });
  }

  /**
   * Throws, and notes, what no waiting could change: a frozen node, a payee, a token or an amount not granted.
   * For callers that wait for something before they pay.
   */
  assertMayPay(spender: Spender | undefined, payment: Payment): Promise<void> {
    return this.#refuseForbidden({ ...payment, spender });
  }

  /**
   * Throws, and notes, what this spender could never have paid, see `assertGranted`. For whoever is told of a payment
   * that may be another's.
   */
  assertGranted(spender: Spender | undefined, payment: Payment): Promise<void> {
    return this.#rulings.noting({ ...payment, spender }, () => assertGranted(spender, payment));
  }

  /** The channel on which this payment was held for approval last: an approval is for one channel. */
  heldOn(spender: Spender | undefined, id: Uint8Array): ChannelId | undefined {
    return this.approvals.channelOf({ answersAs: answererOf(spender), paymentId: toHex(id) });
  }

  /**
   * Lets money of the account leave for the address `peer`, counted with the payments. Rejects as {@link pay} does;
   * what would be held for approval is refused. Release it only when nothing was sent for certain. Whoever waits before
   * it signs asks once more.
   */
  async admit(spender: Spender | undefined, payment: Payment): Promise<Admitted> {
    const wanted: Wanted = { ...payment, spender };
    await this.#refuseForbidden(wanted);
    const guarded = await this.#guarded(wanted);
    const held = await this.#reserve(wanted, guarded);
    try {
      await cover(guarded);
      this.#assertStillAllowed(spender);
    } catch (error) {
      held.release();
      throw error;
    }
    return { ...held, assertStillAllowed: () => this.#assertStillAllowed(spender) };
  }

  #assertStillAllowed(spender: Spender | undefined): void {
    this.#freeze.assertThawed();
    spender?.assertLive?.();
  }

  async #pay(spender: Spender | undefined, order: SpendOrder, mailbox: ChannelMailbox): Promise<Receipt> {
    const { amount, channelId, id } = order;
    const { token } = mailbox.state.terms.channel;
    const wanted: Wanted = { spender, peer: mailbox.peer, token, channelId, amount, paymentId: toHex(id) };
    // Paid before: its receipt is owed whatever the limits say now, and nothing is charged.
    if (this.#parts.paidOnce.knows(mailbox, id)) {
      await this.assertGranted(spender, wanted);
      return this.#parts.pay(order);
    }
    await this.#refuseForbidden(wanted);
    const guarded = await this.#guarded(wanted);
    const held = await this.#reserve(wanted, guarded);
    let isReturned: boolean;
    try {
      await cover(guarded);
      isReturned = await this.#isReturned(mailbox, order);
      await this.#call(order);
      // The brake may have been pulled, or the spender ended, while the disk was at work or the peer away.
      if (!isReturned) this.#assertStillAllowed(spender);
    } catch (error) {
      held.release();
      throw error;
    }
    // What a power cut made us forget was charged before that.
    if (isReturned) {
      held.release();
      return this.#parts.pay(order);
    }
    try {
      return await this.#parts.pay(order);
    } catch (error) {
      if (isUnsent(error, order.signal)) held.release();
      throw error;
    }
  }

  /** A label is durable no later than its payment. */
  async #call({ channelId, id, label }: SpendOrder): Promise<void> {
    if (label === undefined) return;
    const payment = { channelId, direction: "sent", paymentId: toHex(id) } as const;
    await this.#parts.context.history.labels.put(payment, label);
  }

  /** Waits for a peer that is away; whether it returned this payment then. */
  async #isReturned(mailbox: ChannelMailbox, { id, signal }: SpendOrder): Promise<boolean> {
    if (mailbox.session !== undefined) return false;
    const { stopping } = this.#parts.context;
    await mailbox.connected(signal === undefined ? stopping : AbortSignal.any([stopping, signal]));
    return this.#parts.paidOnce.knows(mailbox, id);
  }

  /** What no waiting could change: a frozen node, a payee, a token or an amount that was not granted. */
  #refuseForbidden(wanted: Wanted): Promise<void> {
    return this.#rulings.noting(wanted, () => {
      this.#freeze.assertThawed();
      assertGranted(wanted.spender, wanted);
    });
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
  async #reserve(wanted: Wanted, guarded: readonly Guarded[]): Promise<Held> {
    const now = Date.now();
    const { amount } = wanted;
    const own = this.#habits(wanted);
    const bench = { approvals: this.approvals, policy: this.#policy, habits: own };
    const verdict = judge(wanted, guarded, bench, now);
    if (verdict !== undefined) return this.#rulings.refuse(wanted, verdict);
    const habits = own.map((habit) => ({ habit, mark: habit.add(now, amount) }));
    const holds = guarded.map(({ account }) => ({ account, hold: account.hold(now, amount) }));
    return {
      release() {
        for (const { habit, mark } of habits) habit.remove(mark);
        for (const { account, hold } of holds) account.release(hold);
      },
    };
  }

  /** Of the peer, and of the spender with all that were made from the same; none while there is no alarm. */
  #habits({ spender, peer, token }: Wanted): Habit[] {
    const { velocity } = this.policy;
    if (velocity === undefined) return [];
    const keys = [`peer/${peer}/${token}`, `token/${answererOf(spender)}/${token}`];
    return keys.map((key) => this.#counters.habit(key, velocity.windowSeconds * 1000));
  }
}

/** A wait that was given up ended before the payment was queued: once queued, a payment waits for no signal. */
function isUnsent(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof NodeError && UNSENT.has(error.code);
}

/** On disk before anything leaves. */
async function cover(guarded: readonly Guarded[]): Promise<void> {
  for (const { account, caps } of guarded) await account.cover(caps);
}

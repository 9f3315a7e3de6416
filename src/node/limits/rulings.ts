import type { ChannelId, Hex } from "../../protocol/index.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { NodeEvents } from "../events.ts";
import type { Approval, Approvals } from "./approvals.ts";
import type { Decisions, NewDecision } from "./decisions.ts";
import type { Freeze } from "./freeze.ts";
import { answererOf, type Spender } from "./spender.ts";
import { decisionOf, heldError, type Verdict, type Wanted } from "./verdict.ts";

interface RulingParts {
  readonly freeze: Freeze;
  readonly approvals: Approvals;
  readonly decisions: Decisions;
}

/** Carries out what was decided about spending, by the gate or by hand: brake, approvals, and the word of it. */
export class Rulings {
  readonly #context: NodeContext;
  readonly #freeze: Freeze;
  readonly #approvals: Approvals;
  readonly #decisions: Decisions;

  constructor(context: NodeContext, { freeze, approvals, decisions }: RulingParts) {
    this.#context = context;
    this.#freeze = freeze;
    this.#approvals = approvals;
    this.#decisions = decisions;
  }

  /** Pulls the brake, from this call on. */
  async freeze(reason: string, spender: Spender | undefined): Promise<void> {
    // Asked for again it is not noted again: nobody washes the log out with it.
    if (await this.#freeze.freeze(reason)) {
      await this.#note({ verdict: "frozen", rule: "freeze", reason, spender: spender?.id });
    }
  }

  async thaw(spender: Spender | undefined): Promise<void> {
    await this.#freeze.thaw();
    await this.#note({ verdict: "thawed", rule: "freeze", reason: "thawed by hand", spender: spender?.id });
  }

  async decide(id: string, state: "approved" | "denied", spender: Spender | undefined): Promise<Approval> {
    const approval = await this.#approvals.decide(id, state);
    const { rule, peer, channelId, token, amount } = approval;
    const reason = `payment ${approval.paymentId} ${state} by hand`;
    await this.#note({ verdict: state, rule, reason, spender: spender?.id, peer, channelId, token, amount });
    await this.#tell("approval", approval);
    return approval;
  }

  /** Runs `check`, and writes down what it throws. */
  async noting(wanted: Wanted, check: () => void): Promise<void> {
    try {
      check();
    } catch (error) {
      const { code, fields, message } = error as NodeError;
      const { rule = code } = fields as { readonly rule?: string };
      await this.#note(decisionOf(wanted, "refused", rule, message));
      throw error;
    }
  }

  /** Carries a refusal out; never returns. */
  async refuse(wanted: Wanted, verdict: Verdict): Promise<never> {
    if (verdict.code === "payment_held") throw heldError(verdict.approval);
    const { code, rule, trip, onTrip } = verdict;
    const { amount, spender, channelId, paymentId } = wanted;
    const fields = { rule, limit: trip.limit, spent: trip.spent, amount };
    const error = new NodeError({ code, fields });
    const reason = verdict.why ?? error.message;
    if (onTrip === "hold" && channelId !== undefined && paymentId !== undefined)
      throw heldError(await this.#hold({ ...wanted, channelId, paymentId }, rule, reason));
    // The brake first: what came with this payment must not slip through while the log is written.
    const freezing = onTrip === "freeze" ? this.#freeze.freeze(`${rule}: ${reason}`) : undefined;
    await this.#note(decisionOf(wanted, "refused", rule, reason));
    if (await freezing) {
      await this.#note({ verdict: "frozen", rule, reason: `${rule}: ${reason}`, spender: spender?.id });
    }
    throw error;
  }

  async #hold(
    { spender, ...payment }: Wanted & { readonly channelId: ChannelId; readonly paymentId: Hex },
    rule: string,
    reason: string,
  ): Promise<Approval> {
    const by = { spender: spender?.id, answersAs: answererOf(spender) };
    const wanted = { ...payment, spender };
    let approval: Approval;
    try {
      approval = await this.#approvals.hold({ ...payment, ...by, rule, reason });
    } catch (error) {
      await this.#note(decisionOf(wanted, "refused", rule, (error as Error).message));
      throw error;
    }
    await this.#note(decisionOf(wanted, "held", rule, reason));
    await this.#tell("approval", approval);
    return approval;
  }

  async #note(decision: NewDecision): Promise<void> {
    const noted = await this.#decisions.add(decision);
    if (noted !== undefined) await this.#tell("decision", noted);
  }

  /** To the log of events and to the application. */
  async #tell<Name extends "approval" | "decision">(name: Name, told: NodeEvents[Name][0]): Promise<void> {
    await this.#context.history.append(name, { ...told, amount: told.amount?.toString() });
    (this.#context.emit as (name: string, told: unknown) => void)(name, told);
  }
}

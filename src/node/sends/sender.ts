import { randomBytes } from "node:crypto";
import type { Outcome, Progress } from "../../chain/intent.ts";
import { orAborted } from "../../chain/wait.ts";
import type { NodeContext } from "../context.ts";
import { NodeError, transactionFailed } from "../error.ts";
import type { Admitted } from "../limits/held.ts";
import type { SendProgress } from "../progress.ts";
import { type Begun, confirmed, type NamedTransaction, submitNamed, takeUp } from "./namedTransaction.ts";
import { intentOf, SENDS, type SendOrder, type Sent, type StoredSend, transferCall } from "./sendOrder.ts";
import type { SendPlan, SendPlanner } from "./sendPlan.ts";

export interface SendOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: SendProgress) => void;
  /** Makes it one send for ever, however often it is asked for under this name. */
  readonly name?: string | undefined;
  /** Awaited with the amount before anything is written or signed; not for what was signed before. */
  readonly admit?: ((amount: bigint) => Promise<Admitted>) | undefined;
}

interface SenderInit {
  readonly context: NodeContext;
  readonly planner: SendPlanner;
  /** How many losses the database has had. */
  readonly losses: () => number;
}

/**
 * Sends money out of the account. What is sent is on disk under its name before it is signed, and the publisher signs one
 * content under one nonce for one name: asked for again, after a crash too, it is the same transaction.
 */
export class Sender {
  readonly #init: SenderInit;
  /** One after the other, each planned with what the one before has left. Nonces are mined in order all the same. */
  #line: Promise<void> = Promise.resolve();
  #inLine = 0;

  constructor(init: SenderInit) {
    this.#init = init;
  }

  /** Whether a transaction was ever signed under this name. */
  knows(name: string): Promise<boolean> {
    return this.#init.context.chain.knows(intentOf(name));
  }

  /** What {@link send} would do now. Throws as it does. */
  plan(order: SendOrder, signal: AbortSignal): Promise<SendPlan> {
    return this.#init.planner.plan(order, signal);
  }

  /**
   * Resolves once the transaction is confirmed. An abort ends the waiting, not the transaction. Throws what the planner
   * throws, `option_invalid` when the name stands for something else, `send_uncertain`, and `transaction_failed`.
   */
  async send(order: SendOrder, options: SendOptions): Promise<Sent> {
    const { name = randomBytes(16).toString("hex"), signal, onProgress } = options;
    const { context, planner } = this.#init;
    const reserved: (() => void)[] = [];
    const { before, isBehind, leave } = this.#enter();
    let sending: Begun<StoredSend>;
    let over: Promise<Outcome>;
    try {
      // What cannot be paid is refused before it waits. What was asked for before may be signed.
      if ((await context.records.get(SENDS, name)) === undefined)
        reserved.push(await planner.reserve(order, signal, intentOf(name)));
      if (isBehind) onProgress({ step: "queued" });
      await orAborted(before, signal);
      sending = await takeUp(context, this.#named(name, order, options, reserved));
      over = this.#submit(name, sending, onProgress, leave);
    } catch (error) {
      void before.then(leave);
      throw error;
    } finally {
      for (const release of reserved) release();
    }
    return confirmed(over, sending.stored, signal, (outcome) => transactionFailed("send", outcome));
  }

  /** A place in line from this call on: `before` resolves once what stands before is mined or over, `leave` lets the next one begin. */
  #enter(): { readonly before: Promise<void>; readonly isBehind: boolean; readonly leave: () => void } {
    const before = this.#line;
    const { promise, resolve: leave } = Promise.withResolvers<void>();
    this.#line = promise;
    const isBehind = this.#inLine++ > 0;
    void promise.then(() => void this.#inLine--);
    return { before, isBehind, leave };
  }

  #named(
    name: string,
    order: SendOrder,
    { signal, admit }: SendOptions,
    reserved: (() => void)[],
  ): NamedTransaction<StoredSend> {
    const { planner, context, losses } = this.#init;
    const { to, token, amount: asked } = order;
    const intent = intentOf(name);
    return {
      name,
      namespace: SENDS,
      intent,
      kind: "send",
      isSame: (stored) => stored.to === to && stored.token === token && stored.asked === `${asked}`,
      assertUnsigned: (stored) => {
        if (stored.losses !== losses()) throw new NodeError({ code: "send_uncertain", fields: { name } });
      },
      admit: async () => {
        const { amount } = await planner.plan(order, signal, intent);
        reserved.push(await context.reservations.take(intent, token, amount, signal));
        const held = await admit?.(amount);
        return { stored: { to, token, asked: `${asked}`, amount: `${amount}`, losses: losses() }, held };
      },
    };
  }

  #submit(
    name: string,
    { stored, held }: Begun<StoredSend>,
    onProgress: SendOptions["onProgress"],
    leave: () => void,
  ): Promise<Outcome> {
    const { context } = this.#init;
    const call = transferCall(stored.to, stored.token, BigInt(stored.amount), context.chain.eth);
    const told = (progress: Progress) => {
      if (progress.stage === "mined" || progress.stage === "confirmed") leave();
      onProgress({ step: "send", progress });
    };
    return submitNamed(context, { id: intentOf(name), ...call }, held, told).finally(leave);
  }
}

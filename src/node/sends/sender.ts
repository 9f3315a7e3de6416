import { randomBytes } from "node:crypto";
import type { Outcome, Progress } from "../../chain/intent.ts";
import { orAborted } from "../../chain/wait.ts";
import type { NodeContext } from "../context.ts";
import { NodeError, transactionFailed } from "../error.ts";
import type { Admitted } from "../limits/held.ts";
import type { SendProgress } from "../progress.ts";
import { intentOf, SENDS, type SendOrder, type Sent, type StoredSend, transferCall } from "./sendOrder.ts";
import type { SendPlan, SendPlanner } from "./sendPlan.ts";
import { submitHeld } from "./submitHeld.ts";

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
    const { records } = this.#init.context;
    const reserved: (() => void)[] = [];
    let sending: Sending;
    let over: Promise<Outcome>;
    try {
      // What cannot be paid is refused before it waits. What was asked for before may be signed.
      if ((await records.get(SENDS, name)) === undefined)
        reserved.push(await this.#init.planner.reserve(order, signal, intentOf(name)));
      const leave = await this.#turn(options);
      try {
        const stored = await records.get<StoredSend>(SENDS, name);
        sending =
          (await this.#joined(name, stored, order)) ?? (await this.#begin(name, order, options, reserved));
      } catch (error) {
        leave();
        throw error;
      }
      over = this.#submit(name, sending, onProgress, leave);
    } finally {
      for (const release of reserved) release();
    }
    over.catch(() => {}); // nobody may be waiting any more when the node stops
    const outcome = await orAborted(over, signal);
    if (!outcome.ok) throw transactionFailed("send", outcome);
    return { amount: BigInt(sending.stored.amount), transaction: outcome.hash };
  }

  /** Resolves when what was sent before is mined or over; the returned function lets the next one begin. */
  async #turn({ signal, onProgress }: SendOptions): Promise<() => void> {
    const before = this.#line;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#line = promise;
    if (this.#inLine++ > 0) onProgress({ step: "queued" });
    void promise.then(() => void this.#inLine--);
    try {
      await orAborted(before, signal);
    } catch (error) {
      void before.then(resolve);
      throw error;
    }
    return resolve;
  }

  /** What was signed under this name before; undefined if nothing was. */
  async #joined(
    name: string,
    stored: StoredSend | undefined,
    order: SendOrder,
  ): Promise<Sending | undefined> {
    if (stored === undefined) return undefined;
    const { chain } = this.#init.context;
    if (stored.to !== order.to || stored.token !== order.token || stored.asked !== String(order.amount)) {
      const reason = "it stands for another send";
      throw new NodeError({ code: "option_invalid", fields: { option: "name", reason } });
    }
    if (chain.pending().includes(intentOf(name)) || (await this.knows(name))) return { stored };
    if (stored.losses === this.#init.losses()) return undefined;
    throw new NodeError({ code: "send_uncertain", fields: { name } });
  }

  async #begin(
    name: string,
    order: SendOrder,
    { signal, admit }: SendOptions,
    reserved: (() => void)[],
  ): Promise<Sending> {
    const { planner, context } = this.#init;
    const { to, token, amount: asked } = order;
    const { amount } = await planner.plan(order, signal, intentOf(name));
    reserved.push(await context.reservations.take(intentOf(name), token, amount, signal));
    const held = await admit?.(amount);
    const stored = { to, token, asked: `${asked}`, amount: `${amount}`, losses: this.#init.losses() };
    await context.records.put(SENDS, name, stored, { sync: true });
    return { stored, held };
  }

  #submit(
    name: string,
    { stored, held }: Sending,
    onProgress: SendOptions["onProgress"],
    leave: () => void,
  ): Promise<Outcome> {
    const { chain, stopping } = this.#init.context;
    const { to, token, amount } = stored;
    const call = transferCall(to, token, BigInt(amount), chain.eth);
    const told = (progress: Progress) => {
      if (progress.stage === "mined" || progress.stage === "confirmed") leave();
      onProgress({ step: "send", progress });
    };
    const options = { signal: stopping, onProgress: told };
    return submitHeld(chain, { id: intentOf(name), ...call }, held, options).finally(leave);
  }
}

interface Sending {
  readonly stored: StoredSend;
  /** What it counts for; undefined where it was counted before. */
  readonly held?: Admitted | undefined;
}

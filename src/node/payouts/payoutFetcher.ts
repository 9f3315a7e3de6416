import { randomBytes } from "node:crypto";
import type { Outcome, Progress } from "../../chain/intent.ts";
import { orAborted } from "../../chain/wait.ts";
import type { Address } from "../../protocol/index.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { Admitted } from "../limits/held.ts";
import type { PayoutProgress } from "../progress.ts";
import type { SendPlan, SendPlanner } from "../sends/sendPlan.ts";
import { submitHeld } from "../sends/submitHeld.ts";
import { type FetchedPayout, fetchCall, fetchFailed, type PayoutOrder, payoutIntent } from "./payoutOrder.ts";
import type { Payouts } from "./payouts.ts";

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PayoutProgress) => void;
  /** Makes it one transaction for ever, however often it is asked for under this name. */
  readonly name?: string | undefined;
  /** Awaited with the amount before anything is signed where the money leaves for another address than the account. */
  readonly admit?: ((amount: bigint) => Promise<Admitted>) | undefined;
}

interface FetcherInit {
  readonly context: NodeContext;
  readonly planner: SendPlanner;
  readonly payouts: Payouts;
}

/** What a name stands for, on disk before anything is signed; the amount as it was then, a decimal string. */
interface StoredFetch {
  readonly token: Address;
  readonly to: Address;
  readonly amount: string;
}

const FETCHES = "payoutFetch";

/**
 * Fetches what the escrow keeps for the account. It always takes all that waits in a token, so that a second one finds
 * nothing: unlike a send it cannot be done twice, whatever a database has forgotten.
 */
export class PayoutFetcher {
  readonly #init: FetcherInit;

  constructor(init: FetcherInit) {
    this.#init = init;
  }

  /** Whether a transaction was ever signed under this name. */
  knows(name: string): Promise<boolean> {
    return this.#init.context.chain.knows(payoutIntent(name));
  }

  /** What {@link fetch} would do now. Throws as it does. */
  plan(order: PayoutOrder, signal: AbortSignal): Promise<SendPlan> {
    return this.#init.planner.planFetch(order, signal);
  }

  /**
   * Resolves once the transaction is confirmed. An abort ends the waiting, not the transaction. Throws what the planner
   * throws, and `option_invalid` when the name stands for something else.
   */
  async fetch(order: PayoutOrder, options: FetchOptions): Promise<FetchedPayout> {
    const { name = randomBytes(16).toString("hex"), signal, onProgress } = options;
    const { records } = this.#init.context;
    const stored = await records.get<StoredFetch>(FETCHES, name);
    const fetching = (await this.#joined(name, stored, order)) ?? (await this.#begin(name, order, options));
    const over = this.#submit(name, order, fetching.held, onProgress);
    over.catch(() => {}); // nobody may be waiting any more when the node stops
    const outcome = await orAborted(over, signal);
    if (!outcome.ok) throw fetchFailed(order, outcome);
    return { amount: BigInt(fetching.stored.amount), transaction: outcome.hash };
  }

  async #joined(
    name: string,
    stored: StoredFetch | undefined,
    { token, to }: PayoutOrder,
  ): Promise<Fetching | undefined> {
    if (stored === undefined) return undefined;
    if (stored.token !== token || stored.to !== to) {
      const reason = "it stands for another payout";
      throw new NodeError({ code: "option_invalid", fields: { option: "name", reason } });
    }
    const { chain } = this.#init.context;
    const isSigned = chain.pending().includes(payoutIntent(name)) || (await this.knows(name));
    return isSigned ? { stored } : undefined;
  }

  async #begin(name: string, order: PayoutOrder, { signal, admit }: FetchOptions): Promise<Fetching> {
    const { context } = this.#init;
    const { amount } = await this.plan(order, signal);
    const { token, to } = order;
    const held = to === context.account ? undefined : await admit?.(amount);
    const stored = { token, to, amount: `${amount}` };
    await context.records.put(FETCHES, name, stored, { sync: true });
    return { stored, held };
  }

  #submit(
    name: string,
    order: PayoutOrder,
    held: Admitted | undefined,
    onProgress: FetchOptions["onProgress"],
  ): Promise<Outcome> {
    const { context, payouts } = this.#init;
    const { chain, stopping, account, escrow } = context;
    const call = fetchCall(order, account, escrow);
    const told = (progress: Progress) => onProgress({ step: "withdrawPayout", progress });
    const options = { signal: stopping, onProgress: told };
    return submitHeld(chain, { id: payoutIntent(name), ...call }, held, options).finally(() =>
      payouts.ask(order.token),
    );
  }
}

interface Fetching {
  readonly stored: StoredFetch;
  /** What it counts for; undefined where it was counted before, or needs not be. */
  readonly held?: Admitted | undefined;
}

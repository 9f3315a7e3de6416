import { randomBytes } from "node:crypto";
import type { Progress } from "../../chain/intent.ts";
import type { Address } from "../../protocol/index.ts";
import type { NodeContext } from "../context.ts";
import type { Admitted } from "../limits/held.ts";
import type { PayoutProgress } from "../progress.ts";
import { confirmed, type NamedTransaction, submitNamed, takeUp } from "../sends/namedTransaction.ts";
import type { SendPlan, SendPlanner } from "../sends/sendPlan.ts";
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
    const { context, payouts } = this.#init;
    const { stored, held } = await takeUp(context, this.#named(name, order, options));
    const call = fetchCall(order, context.account, context.escrow);
    const told = (progress: Progress) => onProgress({ step: "withdrawPayout", progress });
    const over = submitNamed(context, { id: payoutIntent(name), ...call }, held, told);
    const asked = over.finally(() => payouts.ask(order.token));
    return confirmed(asked, stored, signal, (outcome) => fetchFailed(order, outcome));
  }

  #named(name: string, order: PayoutOrder, { signal, admit }: FetchOptions): NamedTransaction<StoredFetch> {
    const { token, to } = order;
    return {
      name,
      namespace: FETCHES,
      intent: payoutIntent(name),
      kind: "payout",
      isSame: (stored) => stored.token === token && stored.to === to,
      admit: async () => {
        const { amount } = await this.plan(order, signal);
        const held = to === this.#init.context.account ? undefined : await admit?.(amount);
        return { stored: { token, to, amount: `${amount}` }, held };
      },
    };
  }
}

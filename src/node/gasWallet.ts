import { TOKEN_PAYOUT_GAS } from "../chain/escrow.ts";
import { ceilingAt, type FeeMarket, firstFees } from "../chain/fees.ts";
import { gasLimitFor } from "../chain/simulate.ts";
import type { ChainSync } from "./chainSync.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { MEASURED_GAS } from "./gasFigures.ts";

/** Whether the account could answer what may come. Wei. */
export interface GasWalletStatus {
  readonly balance: bigint;
  readonly needed: bigint;
  readonly enough: boolean;
}

/** Least milliseconds between two looks: three calls each. */
const LOOK_MS = 60_000;

/** What one dispute is sent with: an answer to an old proof, and the settlement. */
const DISPUTE_GAS = gasLimitFor(MEASURED_GAS.challenge) + gasLimitFor(MEASURED_GAS.settle, TOKEN_PAYOUT_GAS);

/** Wei to have for one dispute, at the fees (twice the base fee) that the publisher would begin with. */
export function disputeCost({ fees }: Pick<ChainSync, "fees">, market: FeeMarket): bigint {
  return DISPUTE_GAS * firstFees(fees, market, ceilingAt(fees, undefined)).maxFee;
}

/** Watches whether the account can still pay for disputes, and says so before one has to be fought. */
export class GasWallet {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #steady: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #low = false;

  /** `steady`: milliseconds that only ever grow. */
  constructor(context: NodeContext, channels: Channels, steady: () => number = () => performance.now()) {
    this.#context = context;
    this.#channels = channels;
    this.#steady = steady;
  }

  /**
   * What the account has, and what it must have: one dispute for every channel that is closing, at least one. Throws
   * `ChainError`.
   */
  async status(signal: AbortSignal): Promise<GasWalletStatus> {
    const { chain, account } = this.#context;
    const market = await chain.market(signal);
    const balance = await chain.eth.balance(account, { signal });
    const disputes = BigInt(Math.max(1, this.#inDanger()));
    const needed = disputes * disputeCost(chain, market);
    return { balance, needed, enough: balance >= needed };
  }

  /** A block came: looks, at most once a minute, and warns when the answer changes. Never rejects. */
  async look(): Promise<void> {
    const now = this.#steady();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    const { stopping, log } = this.#context;
    try {
      this.#judge(await this.status(stopping));
    } catch (error) {
      if (!stopping.aborted) log.debug({ error }, "the gas wallet could not be looked at; tried again");
    }
  }

  #judge({ balance, needed, enough }: GasWalletStatus): void {
    if (enough !== this.#low) return;
    this.#low = !enough;
    const { account, emit } = this.#context;
    const code = enough ? "gas_wallet_ok" : "gas_wallet_low";
    const message = enough
      ? `the account ${account} can pay for disputes again: it has ${balance} wei, ${needed} wei are needed`
      : `the account ${account} could not pay for a dispute: it has ${balance} wei, ${needed} wei are needed; send it ${needed - balance} wei or more`;
    emit("warning", { code, message });
  }

  /** Channels somebody is closing: each may have to be answered. */
  #inDanger(): number {
    let closing = 0;
    for (const id of this.#channels.attention) {
      if (this.#channels.peek(id)?.state.terms.phase === "closing") closing++;
    }
    return closing;
  }
}

import { Erc20 } from "../../chain/erc20.ts";
import type { Call } from "../../chain/eth.ts";
import { ceilingAt, firstFees } from "../../chain/fees.ts";
import { simulate } from "../../chain/simulate.ts";
import { ZERO_ADDRESS } from "../../protocol/index.ts";
import type { ChannelInfo } from "../channelInfo.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import { NodeError, transactionFailed } from "../error.ts";
import { disputeCost } from "../gasWallet.ts";
import { fetchCall, fetchFailed, type PayoutOrder } from "../payouts/payoutOrder.ts";
import { type FreeMoney, insufficient } from "../reservations.ts";
import { type SendOrder, transferCall } from "./sendOrder.ts";

/** What an order comes to. */
export interface SendPlan {
  /** Base units. */
  readonly amount: bigint;
  /** What the transaction would use. */
  readonly gas: bigint;
  readonly gasLimit: bigint;
}

interface Gas extends Pick<SendPlan, "gas" | "gasLimit"> {
  /** Wei: what the transaction may cost at most, as the publisher would begin. */
  readonly cost: bigint;
}

/** Finds out what sending would take, and refuses what would lose money or leave disputes without gas. */
export class SendPlanner {
  readonly #context: NodeContext;
  readonly #channels: Channels;

  constructor(context: NodeContext, channels: Channels) {
    this.#context = context;
    this.#channels = channels;
  }

  /**
   * What sending would take, `intent` being the name under which it may have reserved that already. Throws
   * `destination_refused`, `wallet_insufficient`, `gas_reserve_needed`, `transaction_failed` where it would revert, or
   * `ChainError`.
   */
  async plan(order: SendOrder, signal: AbortSignal, intent?: string): Promise<SendPlan> {
    this.#refuseDestination(order);
    const isNative = order.token === ZERO_ADDRESS;
    return isNative ? this.#native(order, signal, intent) : this.#token(order, signal, intent);
  }

  /**
   * Reserves what a send is to take before its turn comes, until the returned function is called; of "all" that is known
   * only then. Throws `destination_refused` and `wallet_insufficient`.
   */
  async reserve(order: SendOrder, signal: AbortSignal, intent: string): Promise<() => void> {
    this.#refuseDestination(order);
    const { token, amount } = order;
    if (amount === "all") return () => {};
    return this.#context.reservations.take(intent, token, amount, signal);
  }

  /**
   * What fetching a waiting payout would take. Throws as {@link plan} does, `payout_none` when nothing waits, and
   * `payout_refused` when it would be refused again.
   */
  async planFetch(order: PayoutOrder, signal: AbortSignal): Promise<SendPlan> {
    const { escrow, account } = this.#context;
    const { token, to, force } = order;
    this.#refuseLoss(order);
    const amount = await escrow.payoutOf(token, account, "latest", { signal });
    if (amount === 0n) throw new NodeError({ code: "payout_none", fields: { token, account } });
    const simulated = await simulate(account, fetchCall(order, account, escrow), this.#context.chain.eth, {
      signal,
    });
    if (!simulated.ok) throw fetchFailed(order, simulated);
    const { gas, gasLimit } = simulated;
    const cost = await this.#cost(gasLimit, signal);
    const coins = await this.#coins(signal);
    const reserve = force === true ? NO_RESERVE : await this.#reserve(signal);
    // Fetched into the account, native coin makes up for its gas.
    const coming = token === ZERO_ADDRESS && to === account ? amount : 0n;
    if (coins.free < cost) throw insufficient(ZERO_ADDRESS, coins, cost);
    this.#checkCoins({ ...coins, free: coins.free + coming }, cost, reserve);
    return { amount, gas, gasLimit };
  }

  #refuseDestination(order: SendOrder): void {
    const { to } = order;
    const reason = "it is this node's own account";
    if (to === this.#context.account)
      throw new NodeError({ code: "destination_refused", fields: { to, reason } });
    this.#refuseLoss(order);
  }

  #refuseLoss({ to, token }: Pick<SendOrder, "to" | "token">): void {
    const { escrow } = this.#context;
    const reasons: readonly [boolean, string][] = [
      [to === ZERO_ADDRESS, "nobody has the zero address"],
      [
        to === escrow.address,
        "the escrow gives nothing back that was sent to it; deposit into a channel instead",
      ],
      [to === token, "a token's own contract gives nothing back"],
    ];
    for (const [applies, reason] of reasons) {
      if (applies) throw new NodeError({ code: "destination_refused", fields: { to, reason } });
    }
  }

  async #native(
    { to, amount, force }: SendOrder,
    signal: AbortSignal,
    intent: string | undefined,
  ): Promise<SendPlan> {
    const coins = await this.#coins(signal, intent);
    const given = amount === "all" ? 1n : amount;
    if (coins.free < given) throw insufficient(ZERO_ADDRESS, coins, given);
    const { cost, ...limits } = await this.#gas(
      transferCall(to, ZERO_ADDRESS, given, this.#context.chain.eth),
      signal,
    );
    const reserve = force === true ? NO_RESERVE : await this.#reserve(signal);
    const value = amount === "all" ? coins.free - cost - reserve.needed : amount;
    if (value <= 0n) throw insufficient(ZERO_ADDRESS, coins, cost + reserve.needed + 1n);
    this.#checkCoins(coins, value + cost, reserve);
    return { amount: value, ...limits };
  }

  async #token(
    { to, token, amount, force }: SendOrder,
    signal: AbortSignal,
    intent: string | undefined,
  ): Promise<SendPlan> {
    const { chain, account, reservations } = this.#context;
    const contract = new Erc20(token, chain.eth);
    const money = await reservations.free(token, signal, intent);
    const value = amount === "all" ? money.free : amount;
    if (value === 0n || money.free < value) throw insufficient(token, money, value === 0n ? 1n : value);
    const call = transferCall(to, token, value, chain.eth);
    const { cost, ...limits } = await this.#gas(call, signal);
    if (await contract.refusesTransfer(account, call, { signal })) {
      throw new NodeError({
        code: "transaction_failed",
        fields: { reason: "send: the token answers false" },
      });
    }
    this.#checkCoins(
      await this.#coins(signal, intent),
      cost,
      force === true ? NO_RESERVE : await this.#reserve(signal),
    );
    return { amount: value, ...limits };
  }

  #checkCoins(coins: FreeMoney, need: bigint, { needed, channels }: Reserve): void {
    if (coins.free < need) throw insufficient(ZERO_ADDRESS, coins, need);
    const left = coins.free - need;
    if (left < needed)
      throw new NodeError({ code: "gas_reserve_needed", fields: { left, needed, channels } });
  }

  /** What nothing under way will take. */
  #coins(signal: AbortSignal, intent?: string): Promise<FreeMoney> {
    return this.#context.reservations.free(ZERO_ADDRESS, signal, intent);
  }

  async #gas(call: Call, signal: AbortSignal): Promise<Gas> {
    const { chain, account } = this.#context;
    const simulated = await simulate(account, call, chain.eth, { signal });
    if (!simulated.ok) throw transactionFailed("send", simulated);
    const { gas, gasLimit } = simulated;
    return { gas, gasLimit, cost: await this.#cost(gasLimit, signal) };
  }

  /** Wei: what a transaction may cost at most, as the publisher would begin. */
  async #cost(gasLimit: bigint, signal: AbortSignal): Promise<bigint> {
    const { chain } = this.#context;
    return (
      gasLimit * firstFees(chain.fees, await chain.market(signal), ceilingAt(chain.fees, undefined)).maxFee
    );
  }

  /** One dispute for every channel with money of ours. */
  async #reserve(signal: AbortSignal): Promise<Reserve> {
    const { chain } = this.#context;
    let channels = 0n;
    for await (const info of this.#channels.list({ signal })) if (hasOurMoney(info)) channels++;
    return { channels, needed: channels * disputeCost(chain, await chain.market(signal)) };
  }
}

interface Reserve {
  /** Wei. */
  readonly needed: bigint;
  readonly channels: bigint;
}

const NO_RESERVE: Reserve = { needed: 0n, channels: 0n };

function hasOurMoney({ phase, deposits, withdrawn, sent, received }: ChannelInfo): boolean {
  if (phase === "settled") return false;
  return deposits[0] - withdrawn[0] + received - sent > 0n;
}

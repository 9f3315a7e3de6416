import { Erc20 } from "../chain/erc20.ts";
import { failureOf } from "../chain/error.ts";
import { NO_SIGNATURE, spareGasOf } from "../chain/escrow.ts";
import type { Call } from "../chain/eth.ts";
import { firstFees } from "../chain/fees.ts";
import { gasLimitFor } from "../chain/simulate.ts";
import {
  type Address,
  type Channel,
  type ChannelId,
  type ChannelState,
  participantOf,
  refuse,
  ZERO_ADDRESS,
} from "../protocol/index.ts";
import { approvals } from "./allowances.ts";
import type { CloseMode } from "./channel/closer.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";
import { MEASURED_GAS } from "./gasFigures.ts";
import type { PayoutFetcher } from "./payouts/payoutFetcher.ts";
import type { PayoutOrder } from "./payouts/payoutOrder.ts";
import type { Sender } from "./sends/sender.ts";
import type { SendOrder } from "./sends/sendOrder.ts";

/** What is asked for the price of. Amounts in the token's base unit. */
export type QuoteOrder =
  | { readonly kind: "open"; readonly token: Address; readonly amount: bigint }
  | { readonly kind: "deposit"; readonly channelId: ChannelId; readonly amount: bigint }
  | { readonly kind: "withdraw"; readonly channelId: ChannelId; readonly amount: bigint }
  | ({ readonly kind: "send" } & SendOrder)
  | ({ readonly kind: "withdrawPayout" } & PayoutOrder)
  | { readonly kind: "close"; readonly channelId: ChannelId; readonly mode: CloseMode };

export interface QuotedTransaction {
  readonly name:
    | "approve"
    | "deposit"
    | "withdraw"
    | "send"
    | "withdrawPayout"
    | "close"
    | "startClose"
    | "settle";
  /** What it would use; simulated where the state allows it now, else as measured. */
  readonly gas: bigint;
}

/** What transactions would cost now. */
export interface Quote {
  readonly transactions: readonly QuotedTransaction[];
  /** What would leave the account beside the gas; base units. */
  readonly amount: bigint;
  readonly gas: bigint;
  /** Wei per gas: base fee and priority, as the chain asks now. */
  readonly gasPrice: bigint;
  /** Wei per gas: the most this node pays for what can wait. Above it transactions wait. */
  readonly gasPriceCeiling: bigint;
  /** Wei: gas at the price. */
  readonly cost: bigint;
  /** The account holds the deposit beside what is under way, and can pay for the gas limits with it. */
  readonly affordable: boolean;
  /** What the account lacks for it: wei, and base units of the token. */
  readonly missing: { readonly native: bigint; readonly token: bigint };
  /** What would be deposited; the zero address also where nothing would. */
  readonly token: Address;
}

/** A quoted transaction with the gas its limit has to spare beyond the usual margin. */
interface Planned extends QuotedTransaction {
  readonly spare?: bigint;
  /** The limit itself, where it is known. */
  readonly limit?: bigint;
}

/** Transactions that would follow from an order, and the money that would leave the account with them. */
interface Plan {
  readonly transactions: readonly Planned[];
  readonly token: Address;
  readonly amount: bigint;
}

/** Most gas a simulation may burn: far above any transaction here, so that no token keeps a server busy. */
const MOST_GAS = 2_000_000n;

/** Says what things would cost before any of them is sent. */
export class Quotes {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #sender: Sender;
  readonly #fetcher: PayoutFetcher;

  constructor(context: NodeContext, channels: Channels, sender: Sender, fetcher: PayoutFetcher) {
    this.#context = context;
    this.#channels = channels;
    this.#sender = sender;
    this.#fetcher = fetcher;
  }

  /**
   * What an order would cost now; sends nothing. Throws `channel_unknown`, `channel_not_open`, for what leaves or
   * comes without a channel what it would be refused with, or `ChainError`.
   */
  async quote(order: QuoteOrder, signal: AbortSignal): Promise<Quote> {
    const { transactions: planned, token, amount } = await this.#plan(order, signal);
    const transactions = planned.map(({ name, gas }) => ({ name, gas }));
    const { chain, reservations } = this.#context;
    const market = await chain.market(signal);
    const { priority } = firstFees(chain.fees, market, chain.fees.ceiling);
    const gasPrice = market.baseFee + priority;
    const gas = transactions.reduce((sum, one) => sum + one.gas, 0n);
    const limits = planned.reduce((sum, one) => sum + (one.limit ?? gasLimitFor(one.gas, one.spare)), 0n);
    const isNative = token === ZERO_ADDRESS;
    const { free: coins } = await reservations.free(ZERO_ADDRESS, signal);
    const tokens = isNative || amount === 0n ? 0n : (await reservations.free(token, signal)).free;
    const missing = {
      native: lack(coins, limits * gasPrice + (isNative ? amount : 0n)),
      token: isNative ? 0n : lack(tokens, amount),
    };
    return {
      transactions,
      amount,
      gas,
      gasPrice,
      gasPriceCeiling: chain.fees.ceiling,
      cost: gas * gasPrice,
      affordable: missing.native === 0n && missing.token === 0n,
      missing,
      token,
    };
  }

  async #plan(order: QuoteOrder, signal: AbortSignal): Promise<Plan> {
    if (order.kind === "open") {
      const channel = this.#likely(order.token);
      return this.#depositing(channel, this.#context.account, order.amount, signal);
    }
    if (order.kind === "send") {
      const { gas, gasLimit: limit, amount } = await this.#sender.plan(order, signal);
      return { transactions: [{ name: "send", gas, limit }], token: order.token, amount };
    }
    if (order.kind === "withdrawPayout") {
      const { gas, gasLimit: limit } = await this.#fetcher.plan(order, signal);
      return { transactions: [{ name: "withdrawPayout", gas, limit }], token: ZERO_ADDRESS, amount: 0n };
    }
    const { state } = await this.#channels.load(order.channelId);
    const { channel, phase } = state.terms;
    const isOpen = phase === "open" || (phase === "opening" && order.kind === "deposit");
    if (!isOpen) throw new NodeError(refuse("channel_not_open", { phase }));
    if (order.kind === "deposit") {
      return this.#depositing(channel, participantOf(channel, state.side), order.amount, signal);
    }
    const transactions =
      order.kind === "withdraw"
        ? [{ name: "withdraw" as const, gas: MEASURED_GAS.withdraw }]
        : await this.#closing(order.mode, state, signal);
    return { transactions, token: ZERO_ADDRESS, amount: 0n };
  }

  /** A channel like the one an opening would agree on: the peer and the salt do not change what it costs. */
  #likely(token: Address): Channel {
    const { account } = this.#context;
    const other = `0x${"f".repeat(40)}` as Address;
    return {
      participant0: account,
      participant1: other,
      signer0: this.#context.signer,
      signer1: other,
      token,
      challengePeriod: 86_400,
      salt: 0xffff_ffff_ffff_ffffn,
    };
  }

  async #depositing(channel: Channel, us: Address, amount: bigint, signal: AbortSignal): Promise<Plan> {
    const { escrow, chain, account } = this.#context;
    const { token } = channel;
    const deposit = escrow.deposit(channel, us, amount);
    if (token === ZERO_ADDRESS) {
      const gas = await this.#gasOf(deposit, MEASURED_GAS.depositNative, signal);
      return { transactions: [{ name: "deposit", gas }], token, amount };
    }
    const contract = new Erc20(token, chain.eth);
    const allowance = await contract.allowance(account, escrow.address, { signal });
    const needed = approvals(allowance, amount);
    const transactions: Planned[] = [];
    for (const [index, approved] of needed.entries()) {
      const call = contract.approve(escrow.address, approved);
      // The second stands on the first, which is not mined yet.
      const gas = index === 0 ? await this.#gasOf(call, MEASURED_GAS.approve, signal) : MEASURED_GAS.approve;
      transactions.push({ name: "approve", gas });
    }
    const gas =
      needed.length === 0
        ? await this.#gasOf(deposit, MEASURED_GAS.depositToken, signal)
        : MEASURED_GAS.depositToken;
    return { transactions: [...transactions, { name: "deposit", gas }], token, amount };
  }

  async #closing(mode: CloseMode, state: ChannelState, signal: AbortSignal): Promise<Planned[]> {
    const { channel } = state.terms;
    const spare = spareGasOf(channel);
    if (mode === "cooperative") return [{ name: "close", gas: MEASURED_GAS.closeCooperatively, spare }];
    const { received: proof } = state;
    const evidence = { proof, signature: proof.signature, endorsement: NO_SIGNATURE, locks: [] };
    const intent = { deadline: 0n, closeSignature: NO_SIGNATURE };
    const us = participantOf(channel, state.side);
    const call = this.#context.escrow.startClose(channel, us, intent, evidence);
    return [
      { name: "startClose", gas: await this.#gasOf(call, MEASURED_GAS.startClose, signal) },
      { name: "settle", gas: MEASURED_GAS.settle, spare },
    ];
  }

  /** Simulated now, or what was measured where it would revert or cannot be paid for at present. */
  async #gasOf(call: Call, measured: bigint, signal: AbortSignal): Promise<bigint> {
    const { chain, account } = this.#context;
    try {
      return await chain.eth.estimateGas(account, call, { signal, gas: MOST_GAS });
    } catch (error) {
      if (failureOf(error)?.code !== "rpc_error") throw error;
      return measured;
    }
  }
}

function lack(have: bigint, need: bigint): bigint {
  return have >= need ? 0n : need - have;
}

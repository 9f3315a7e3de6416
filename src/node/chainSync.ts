import { ChainError } from "../chain/error.ts";
import type { Escrow } from "../chain/escrow.ts";
import type { Eth } from "../chain/eth.ts";
import type { EndpointStatus } from "../chain/failover.ts";
import type { FeeMarket, FeePolicy } from "../chain/fees.ts";
import type { Intent, Outcome, SubmitOptions } from "../chain/intent.ts";
import type { Publisher } from "../chain/publisher.ts";
import type { Watcher } from "../chain/watcher.ts";
import { type ChainReading, type Channel, type ChannelId, participantOf } from "../protocol/index.ts";
import { type ClockCheck, clockSkewed } from "./clock.ts";
import { NodeError } from "./error.ts";

interface ChainSyncInit {
  readonly eth: Eth;
  readonly watcher: Watcher;
  readonly publisher: Publisher;
  readonly escrow: Escrow;
  /** Seconds, or "never" for chains that mine on demand, whose newest block may be old for good reasons. */
  readonly staleAfter: number | "never";
  readonly confirmations: number;
  readonly fees: FeePolicy;
  readonly clock: ClockCheck;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
  readonly endpoints: () => EndpointStatus[];
}

/** How the node and the chain stand to each other. */
export interface ChainStatus {
  /** The newest block's number and time (Unix seconds); -1 and 0 before the first. */
  readonly block: number;
  readonly blockTime: number;
  /** Unix seconds of the newest confirmed block; 0 before the first. */
  readonly confirmedTime: number;
  /** Seconds between our clock and the newest block. */
  readonly lagSeconds: number;
  /** Whether payments may be signed and taken. */
  readonly fresh: boolean;
  /** The code of the outage, while one lasts. */
  readonly failure: string | undefined;
  /** Seconds our clock is ahead of the chain's (behind: negative), while that cannot be right. */
  readonly clockSkew: number | undefined;
  readonly confirmations: number;
  /** Every server, in the order of preference. */
  readonly endpoints: readonly EndpointStatus[];
}

/** What the escrow holds about a channel at two blocks, and their times: only together do they tell what has lapsed. */
export interface ChannelReading {
  /** At the newest confirmed block. */
  readonly confirmed: ChainReading;
  /** At the tip. */
  readonly newest: ChainReading;
  /** Unix seconds of the block of `confirmed`. */
  readonly confirmedTime: bigint;
  /** Unix seconds of the block of `newest`, and its number. */
  readonly newestTime: bigint;
  readonly newestNumber: number;
}

/** The node's view of the chain: two clocks, channel readings, and transactions. */
export class ChainSync {
  readonly eth: Eth;
  readonly #init: ChainSyncInit;

  constructor(init: ChainSyncInit) {
    this.#init = init;
    this.eth = init.eth;
  }

  /** The number of the newest confirmed block; -1 before the first. */
  confirmedNumber(): number {
    return this.#init.watcher.confirmedBlock()?.number ?? -1;
  }

  /** Unix seconds of the newest confirmed block; 0 before the first. Decides only what frees us. */
  confirmedTime(): bigint {
    return BigInt(this.#init.watcher.confirmedTime() ?? 0);
  }

  /** The later of the newest block's time and our clock, Unix seconds: decides what binds us. */
  bindingTime(): bigint {
    const block = this.#init.watcher.newestTime() ?? 0;
    return BigInt(Math.max(block, Math.floor(this.#init.now())));
  }

  /**
   * What signed deadlines are measured from, Unix seconds: the newest block. A chain that mines on demand has none
   * while nothing happens, so there our clock counts too, as it will for the block that includes the transaction.
   */
  newestTime(): bigint {
    if (this.#init.staleAfter === "never") return this.bindingTime();
    return BigInt(this.#init.watcher.newestTime() ?? 0);
  }

  /** False while the newest block is too old to tell whether a channel is still open. */
  get isFresh(): boolean {
    const { staleAfter, clock } = this.#init;
    if (staleAfter === "never") return true;
    return this.#age() <= staleAfter && !clock.isFarBehind;
  }

  /**
   * Throws `chain_stale` when the newest block is too old to tell whether a channel is still open, `clock_skew` when it
   * may only look so, or look new, because our clock is wrong.
   */
  assertFresh(): void {
    const { staleAfter, clock } = this.#init;
    if (this.isFresh || staleAfter === "never") return;
    if (clock.skew !== undefined) throw clockSkewed(clock.skew);
    const age = this.#age();
    const fields = { age: BigInt(Number.isFinite(age) ? Math.floor(age) : -1), limit: BigInt(staleAfter) };
    throw new NodeError({ code: "chain_stale", fields });
  }

  /** What fees are bound by. */
  get fees(): FeePolicy {
    return this.#init.fees;
  }

  /** How the node and the chain stand to each other now; asks nothing. */
  status(): ChainStatus {
    const { watcher, confirmations, clock, staleAfter, now, endpoints } = this.#init;
    const newest = watcher.newestBlock();
    return {
      block: newest?.number ?? -1,
      blockTime: newest?.timestamp ?? 0,
      confirmedTime: watcher.confirmedTime() ?? 0,
      lagSeconds: newest === undefined ? 0 : Math.max(0, Math.round(now() - newest.timestamp)),
      fresh: this.isFresh,
      failure: watcher.outage()?.code,
      clockSkew: staleAfter === "never" ? undefined : clock.skew,
      confirmations,
      endpoints: endpoints(),
    };
  }

  /** What the chain asks for gas now, wei. Throws `fee_market_missing` or another {@link ChainError}. */
  async market(signal: AbortSignal): Promise<FeeMarket> {
    const { baseFee, number } = await this.eth.newestHeader({ signal });
    if (baseFee === undefined) throw new ChainError({ code: "fee_market_missing", block: number });
    return { baseFee, priority: await this.eth.priorityFee({ signal }) };
  }

  /** Seconds the chain has been silent: by its newest block, and by when that was heard of, for clocks can be set. */
  #age(): number {
    const { watcher, clock } = this.#init;
    const age = watcher.newestBlockAge();
    return age === undefined ? Number.POSITIVE_INFINITY : Math.max(age, clock.silence ?? 0);
  }

  /** What the escrow holds about a channel, at the newest confirmed block and at the tip. */
  async read(channelId: ChannelId, channel: Channel, signal: AbortSignal): Promise<ChannelReading> {
    const { watcher } = this.#init;
    const same = watcher.newestBlock()?.hash === watcher.confirmedBlock()?.hash;
    const newest = await this.#readAt(channelId, channel, "newest", signal);
    const confirmed = same ? newest : await this.#readAt(channelId, channel, "confirmed", signal);
    return {
      confirmed: confirmed.reading,
      newest: newest.reading,
      confirmedTime: confirmed.time,
      newestTime: newest.time,
      newestNumber: newest.number,
    };
  }

  /** Publishes under a name of its own: the same id again joins the same transaction. */
  submit(intent: Intent, options: SubmitOptions): Promise<Outcome> {
    return this.#init.publisher.submit(intent, options);
  }

  /** Whether a transaction was ever signed under this name. */
  knows(intent: string): Promise<boolean> {
    return this.#init.publisher.knows(intent);
  }

  /** Transactions that are not over. */
  get pendingTransactions(): number {
    return this.#init.publisher.pending().length;
  }

  /** Names of the transactions that are under way, an earlier process's included. */
  pending(): readonly string[] {
    return this.#init.publisher.pending();
  }

  /** Transactions whose calls have not happened yet, as far as was seen; an earlier process's included. */
  unmined(): readonly Intent[] {
    return this.#init.publisher.unmined();
  }

  /** Wei that the transactions under way may still take from the account. */
  get owed(): bigint {
    return this.#init.publisher.owed;
  }

  /** Looks now: something is known to have happened. */
  poke(): void {
    this.#init.watcher.poke();
  }

  async #readAt(
    channelId: ChannelId,
    channel: Channel,
    at: "newest" | "confirmed",
    signal: AbortSignal,
  ): Promise<{ readonly reading: ChainReading; readonly time: bigint; readonly number: number }> {
    const { watcher, escrow } = this.#init;
    const { state, block } = await watcher.readChannel(channelId, at, signal);
    const recorded = async (side: 0 | 1) => {
      if (state.status !== "closing") return 0n;
      const payer = participantOf(channel, side);
      return (await escrow.recordedProof(channelId, payer, { blockHash: block.hash }, { signal })).nonce;
    };
    const reading: ChainReading = {
      status: state.status,
      deposits: [state.deposit0, state.deposit1],
      withdrawn: [state.withdrawn0, state.withdrawn1],
      deadline: state.deadline,
      recorded: [await recorded(0), await recorded(1)],
    };
    return { reading, time: BigInt(block.timestamp), number: block.number };
  }
}

import type { Escrow } from "../chain/escrow.ts";
import type { Eth } from "../chain/eth.ts";
import type { Intent, Outcome, Progress } from "../chain/intent.ts";
import type { Publisher } from "../chain/publisher.ts";
import type { Watcher } from "../chain/watcher.ts";
import { type ChainReading, type Channel, type ChannelId, participantOf } from "../protocol/index.ts";
import { NodeError } from "./error.ts";

interface ChainSyncInit {
  readonly eth: Eth;
  readonly watcher: Watcher;
  readonly publisher: Publisher;
  readonly escrow: Escrow;
  /** Seconds, or "never" for chains that mine on demand, whose newest block may be old for good reasons. */
  readonly staleAfter: number | "never";
}

/** What the escrow holds about a channel at two blocks, and their times: only together do they tell what has lapsed. */
export interface ChannelReading {
  /** At the newest confirmed block. */
  readonly confirmed: ChainReading;
  /** At the tip. */
  readonly newest: ChainReading;
  /** Unix seconds of the block of `confirmed`. */
  readonly confirmedTime: bigint;
  /** Unix seconds of the block of `newest`. */
  readonly newestTime: bigint;
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
    return BigInt(Math.max(block, Math.floor(Date.now() / 1000)));
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
    const { staleAfter, watcher } = this.#init;
    if (staleAfter === "never") return true;
    const age = watcher.newestBlockAge();
    return age !== undefined && age <= staleAfter;
  }

  /** Throws `chain_stale` when the newest block is too old to tell whether a channel is still open. */
  assertFresh(): void {
    const { staleAfter, watcher } = this.#init;
    if (this.isFresh || staleAfter === "never") return;
    const age = watcher.newestBlockAge();
    const fields = { age: BigInt(Math.floor(age ?? -1)), limit: BigInt(staleAfter) };
    throw new NodeError({ code: "chain_stale", fields });
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
    };
  }

  /** Publishes under a name of its own: the same id again joins the same transaction. */
  submit(
    intent: Intent,
    options: { readonly signal: AbortSignal; readonly onProgress?: (progress: Progress) => void },
  ): Promise<Outcome> {
    return this.#init.publisher.submit(intent, options);
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
  ): Promise<{ readonly reading: ChainReading; readonly time: bigint }> {
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
    return { reading, time: BigInt(block.timestamp) };
  }
}

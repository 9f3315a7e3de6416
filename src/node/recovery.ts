import { failureOf } from "../chain/error.ts";
import type { RawLog } from "../chain/eth.ts";
import { decodeEvent, type EscrowEvent } from "../chain/event.ts";
import { LogRange } from "../chain/logRange.ts";
import { logKey } from "../chain/trail.ts";
import { sleep } from "../chain/wait.ts";
import type { Watcher } from "../chain/watcher.ts";
import {
  type Channel,
  type ChannelId,
  MAX_SIGNED_DEADLINE,
  renumberCredits,
  type Side,
  sideOf,
  signerOf,
} from "../protocol/index.ts";
import type { Integrity } from "../store/database.ts";
import { StoreError } from "../store/storeError.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { rebuildPaymentIndex } from "./paymentIndex.ts";
import type { Payouts } from "./payouts/payouts.ts";
import { logTrouble } from "./warnings.ts";

interface RecoveryInit {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly payouts: Payouts;
  readonly watcher: Watcher;
  readonly integrity: Integrity;
  /** The block the escrow was deployed in. */
  readonly escrowBlock: number;
  /** Awaited with the channels whose peers have yet to show what they hold. */
  readonly begin: (ids: Iterable<ChannelId>) => Promise<void>;
  /** Awaited where what bounds payments, or makes one the same payment again, may be gone. */
  readonly freeze: (reason: string) => Promise<void>;
}

type PayoutEvent = Extract<EscrowEvent, { kind: "payoutCredited" | "payoutWithdrawn" }>;

/** The number of the last loss after which spending was frozen. */
const FROZEN_AFTER = { namespace: "limits", key: "frozenAfterLoss" } as const;

/** How often the clock is looked at while peers are kept out. */
const LOOK_MS = 250;

/** How long after the chain could not be read it is tried again. */
const SEARCH_AGAIN_MS = 1_000;

/**
 * What a node does whose database may have lost something it had promised. Spending is frozen, since what bounds it may
 * be gone too. Channels whose record is gone are found on chain, and what their refused payouts left at the escrow; payment
 * ids are made to pay once again. Peers are met only when every withdrawal or close it may have signed and forgotten has
 * lapsed; then they show what they hold, and when all have, the loss is settled.
 */
export class Recovery {
  readonly #init: RecoveryInit;
  #missing: Set<ChannelId> | undefined;

  constructor(init: RecoveryInit) {
    this.#init = init;
  }

  /** Resolves when peers may be met. At once if nothing was lost. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { context, integrity } = this.#init;
    if (!integrity.lost) return;
    await this.#freezeOnce();
    await this.#findChannels(signal);
    this.#missing = await this.#unsettled();
    await this.#init.begin(this.#missing);
    context.emit("warning", {
      code: "database_lost_data",
      message: `${lossText(integrity.details)}; peers are met once what it may have signed has lapsed, up to an hour; spending is frozen until you have looked at limits and access tokens`,
    });
    await this.#indexPayments(signal);
    if (this.#missing.size === 0) await integrity.settle();
    else {
      await this.#outwaitSignatures(signal);
      const unsettled = await this.#unsettled();
      for (const id of [...this.#missing]) if (!unsettled.has(id)) this.established(id);
    }
    await this.#renumber();
  }

  /**
   * Limits, what was spent of them, the end of an access token or the brake itself may be gone too. Once for each loss: a
   * human who looked is not asked again at every start until the peers have come.
   */
  async #freezeOnce(): Promise<void> {
    const { context, integrity, freeze } = this.#init;
    const { namespace, key } = FROZEN_AFTER;
    const { records } = context;
    if ((await records.get<number>(namespace, key)) === integrity.epoch) return;
    await freeze("the database lost data: look at limits and access tokens");
    await records.put(namespace, key, integrity.epoch, { sync: true });
  }

  /** Before anything can be paid: of what the index has lost an old id would pay again. */
  async #indexPayments(signal: AbortSignal): Promise<void> {
    const { context, integrity, freeze } = this.#init;
    const { store, committer, log } = context;
    const lost = await rebuildPaymentIndex({ store, committer, losses: integrity.epoch }, { signal }).then(
      (index) => {
        if (index !== undefined) log.info(index, "the index of payment ids was made anew");
        return index?.lost ?? [];
      },
      (error: unknown) => {
        if (!(error instanceof StoreError) || error.code !== "record_damaged") throw error;
        return [
          `${error.message}, and without it the index of payment ids cannot be made anew: repair the database`,
        ];
      },
    );
    if (lost.length === 0) return;
    await freeze(`payment ids were lost: ${lost.join("; ")}`);
    context.emit("warning", { code: "payment_ids_lost", message: `${lost.join("; ")}; spending is frozen` });
  }

  /** Nothing is signed any more on a settled channel, and its peer may never come again. */
  async #unsettled(): Promise<Set<ChannelId>> {
    const { channels } = this.#init;
    const unsettled = new Set<ChannelId>();
    for (const id of [...channels.ids()]) {
      const { state } = await channels.load(id);
      if (state.terms.phase !== "settled") unsettled.add(id);
    }
    return unsettled;
  }

  /** The peer of this channel has shown what it holds, or need not any more. */
  established(id: ChannelId): void {
    if (this.#missing === undefined || !this.#missing.delete(id) || this.#missing.size > 0) return;
    this.#missing = undefined;
    const { context, integrity } = this.#init;
    integrity.settle().catch((error: unknown) => context.fail(error));
  }

  /** Announcements whose numbers we may have given before would be taken for old ones, or for lies. */
  async #renumber(): Promise<void> {
    const { channels } = this.#init;
    for (const id of [...channels.ids()]) {
      const mailbox = await channels.load(id);
      await mailbox.commit(renumberCredits(mailbox.state, BigInt(Date.now())), [], true);
    }
  }

  /** A signed deadline lies at most an hour beyond the newest block of its time, which was no later than today's. */
  async #outwaitSignatures(signal: AbortSignal): Promise<void> {
    const { chain } = this.#init.context;
    const until = chain.newestTime() + MAX_SIGNED_DEADLINE;
    while (chain.confirmedTime() <= until) {
      await sleep(LOOK_MS, signal);
    }
  }

  /**
   * Takes up channels of ours that the chain knows and the database does not, and what became of refused payouts. While no
   * server of the chain answers it waits: a node that stopped would look after no dispute either.
   */
  async #findChannels(signal: AbortSignal): Promise<void> {
    const { context, channels, watcher, escrowBlock } = this.#init;
    const range = new LogRange(context.chain.eth, context.escrow.address);
    const newest = watcher.newestBlock()?.number ?? 0;
    const ours = new Set<ChannelId>(channels.ids());
    for (let from = escrowBlock; from <= newest; ) {
      try {
        const { logs, to } = await range.read(from, newest, { signal });
        for (const log of logs) await this.#take(log, ours, signal);
        from = to + 1;
      } catch (error) {
        if (failureOf(error) === undefined) throw error;
        logTrouble(context.log, { error, from }, "the chain could not be searched for channels; tried again");
        await sleep(SEARCH_AGAIN_MS, signal);
      }
    }
  }

  /** The same log again changes nothing. */
  async #take(log: RawLog, ours: Set<ChannelId>, signal: AbortSignal): Promise<void> {
    const { account, signer } = this.#init.context;
    const event = decodeEvent(log);
    if (event?.kind === "payoutCredited" && ours.has(event.channelId)) await this.#foundPayout(event, log);
    if (event?.kind === "payoutWithdrawn") await this.#foundPayout(event, log);
    if (event?.kind !== "opened" || ours.has(event.channelId)) return;
    const side = sideOf(event.channel, account);
    if (side === undefined || signerOf(event.channel, side) !== signer) return;
    await this.#takeUp(event.channelId, event.channel, side, signal);
    ours.add(event.channelId);
  }

  /** A settlement that a reorganisation may still take back is none yet: the watcher tells when it is one. */
  async #takeUp(id: ChannelId, channel: Channel, side: Side, signal: AbortSignal): Promise<void> {
    const { context, channels } = this.#init;
    const { confirmed } = await context.chain.read(id, channel, signal);
    if (confirmed.status !== "settled") await channels.create(id, channel, side);
  }

  /** Of what is not confirmed the watcher tells: the channel is known by now. */
  async #foundPayout(event: PayoutEvent, log: RawLog): Promise<void> {
    const { context, payouts } = this.#init;
    if (event.account !== context.account) return;
    const { transactionHash } = log;
    if (log.blockNumber > context.chain.confirmedNumber()) payouts.ask(event.token);
    else await payouts.book({ ...event, stage: "confirmed", id: logKey(log), transactionHash });
  }
}

/** At a start after the one that found the loss nothing new is found, and it is not over. */
export function lossText(details: readonly string[]): string {
  if (details.length > 0) return `the database lost data (${details.join("; ")})`;
  return "the database lost data before this start, and not every peer has shown yet what it holds";
}

import { type ChainFailure, describeFailure } from "../chain/error.ts";
import type { FailoverRpc } from "../chain/failover.ts";
import type { Publisher, PublisherStatus } from "../chain/publisher.ts";
import type { ChainNotice, Watcher, WatcherStatus } from "../chain/watcher.ts";
import type { PeerHost } from "../p2p/host.ts";
import type { ChannelId } from "../protocol/index.ts";
import type { Database } from "../store/database.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import type { Payouts } from "./payouts/payouts.ts";
import type { Pending } from "./pending.ts";
import type { Pledges } from "./pledges.ts";
import type { Recovery } from "./recovery.ts";
import { logTrouble } from "./warnings.ts";

interface UpkeepInit {
  readonly rpc: FailoverRpc;
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly watcher: Watcher;
  readonly publisher: Publisher;
  readonly host: PeerHost;
  readonly recovery: Recovery;
  readonly pledges: Pledges;
  readonly pending: Pending;
  readonly payouts: Payouts;
  readonly database: Database;
  readonly stopping: AbortController;
}

/** Deadlines pass while no block comes: how often channels that wait for one are looked at. */
const ATTEND_MS = 1_000;

/**
 * Channels without a deposit that are looked at in one round. Their events come anyway; strangers who propose
 * thousands must not keep the chain's server too busy for a dispute.
 */
const OPENING_PER_ROUND = 64;

/** Brings the node up and down in the right order, and looks after channels that wait for blocks or for time. */
export class Upkeep {
  readonly #init: UpkeepInit;
  #timer: NodeJS.Timeout | undefined;
  #attending: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #failure: unknown;

  constructor(init: UpkeepInit) {
    this.#init = init;
  }

  /** Why the node stopped by itself, if it did. */
  get failure(): unknown {
    return this.#failure;
  }

  /**
   * Records first, then the chain, then peers: nobody is answered before it is known what is owed. Whoever hears it
   * reject calls {@link abandon}.
   */
  async start(): Promise<void> {
    const { channels, watcher, publisher, host, context, database, pledges, payouts } = this.#init;
    void context.committer.failed.then((error) => this.fail(error));
    await channels.scan();
    await context.bookJournal.begin(context.stopping);
    await publisher.start();
    await watcher.start();
    await watcher.ready(context.stopping);
    if (!database.integrity.lost) await host.start();
    this.#timer = setInterval(() => this.#attend(), ATTEND_MS).unref();
    this.#attend();
    await pledges.resume(channels);
    context.stopping.throwIfAborted();
    void payouts.askAll();
    if (database.integrity.lost) this.#recover();
  }

  /** In the background: disputes are looked after meanwhile, peers are met afterwards. */
  #recover(): void {
    const { recovery, host, stopping } = this.#init;
    recovery
      .prepare(stopping.signal)
      .then(() => host.start())
      .catch((error: unknown) => this.fail(error));
  }

  /** Lets go of what a start that failed had begun, all but the database. */
  abandon(): Promise<void> {
    this.#stopped ??= this.#stop(false);
    return this.#stopped;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop(true);
    return this.#stopped;
  }

  /** After a failed write or a bug nothing may be signed: everything stops, and says why. */
  fail(error: unknown): void {
    if (this.#init.stopping.signal.aborted) return;
    const { context } = this.#init;
    this.#failure = error;
    context.log.fatal({ error }, "the node stops");
    const code = (error as { code?: string }).code ?? "internal_error";
    context.emit("warning", { code, message: `the node stops: ${String(error)}` });
    void this.stop();
  }

  /** Brings a notice to the channel it is about; resolves once what follows from it is durable. */
  async onNotice(notice: ChainNotice): Promise<void> {
    const { channels, payouts } = this.#init;
    if ("channelId" in notice && !channels.has(notice.channelId)) return;
    await payouts.notice(notice);
    if (notice.kind === "payoutWithdrawn") return;
    const mailbox = await channels.load(notice.channelId);
    await mailbox.chainSide.notice(notice);
  }

  onChainStatus(status: WatcherStatus): void {
    const { context } = this.#init;
    if (status.kind === "head") {
      this.#init.payouts.look();
      this.#attend();
    } else if (status.kind === "outage") this.#warnOfChain(status.failure);
    else context.log.info(status, "chain");
  }

  onPublisherStatus(status: PublisherStatus): void {
    const { context } = this.#init;
    if (status.kind === "outage") this.#warnOfChain(status.failure);
    else context.log.info(status, "publisher");
  }

  #warnOfChain(failure: ChainFailure): void {
    this.#init.context.emit("warning", { code: failure.code, message: describeFailure(failure) });
  }

  #attend(): void {
    if (this.#attending !== undefined || this.#init.stopping.signal.aborted) return;
    this.#attending = this.#attendAll().finally(() => {
      this.#attending = undefined;
    });
  }

  async #attendAll(): Promise<void> {
    const { channels, context } = this.#init;
    for (const id of this.#round()) {
      if (context.stopping.aborted) return;
      try {
        const mailbox = await channels.load(id);
        await mailbox.chainSide.refresh();
        await this.#init.pending.forgetAbandoned(mailbox);
      } catch (error) {
        if (context.stopping.aborted) return;
        const message = "a channel could not be looked after; tried again";
        logTrouble(context.log, { error, channelId: id }, message);
      }
    }
  }

  /** Whom to look after now: all that have money at stake, and some of those that wait for a first deposit. */
  #round(): ChannelId[] {
    const { channels } = this.#init;
    const { attention } = channels;
    const ids = [...attention];
    const isOpening = (id: ChannelId) => channels.isOpening(id);
    const opening = ids.filter(isOpening).slice(0, OPENING_PER_ROUND);
    for (const id of opening) {
      attention.delete(id); // to the back of the line
      attention.add(id);
    }
    return [...ids.filter((id) => !isOpening(id)), ...opening];
  }

  /** A disk that fails only now must not keep sockets and timers from being let go of. */
  async #rest(): Promise<void> {
    const { channels, context } = this.#init;
    try {
      if (context.committer.failure !== undefined) return;
      for (const mailbox of channels.loaded()) await mailbox.rest();
    } catch (error) {
      context.log.error({ error }, "what was noted last is not written; reconnecting tells it again");
    }
  }

  async #stop(flush: boolean): Promise<void> {
    const { rpc, host, watcher, publisher, database, stopping, channels, context } = this.#init;
    clearInterval(this.#timer);
    if (flush) await this.#rest();
    stopping.abort(new DOMException("the node is stopping", "AbortError"));
    for (const mailbox of channels.loaded()) mailbox.payer.stop();
    await host.stop();
    await watcher.stop();
    await publisher.stop();
    await this.#attending;
    rpc.close();
    if (flush)
      await database.close().catch((error: unknown) => context.log.error({ error }, "closing the database"));
  }
}

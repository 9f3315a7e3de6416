import { sleep } from "../../chain/wait.ts";
import type { PeerSession } from "../../p2p/session.ts";
import {
  checkResent,
  otherSide,
  type Refusal,
  receiveUpdates,
  refuse,
  type Update,
} from "../../protocol/index.ts";
import { decodeUpdate, encodeUpdate } from "../../store/channelRecord.ts";
import { updateKey } from "../../store/keys.ts";
import type { Op } from "../../store/store.ts";
import { GAP_PATIENCE_MS } from "../options.ts";
import { PaymentBatch } from "../payment.ts";
import type { Judgement, Known } from "../requests/requestBook.ts";
import type { ChannelMailbox } from "./mailbox.ts";

/** Updates one mailbox takes from its inbox at once: bounds the signatures a bad run can make us check. */
const MAX_RUN = 256;

/** Updates beyond a gap that are kept while what is missing may still come. */
const MAX_HELD = 64;

/** How often it is looked whether the chain has come back. */
const STALE_LOOK_MS = 100;

/** What an update costs in memory beside its entries. */
const UPDATE_OVERHEAD = 512;

interface Arrival {
  readonly update: Update;
  readonly session: PeerSession;
}

/** The other side's direction of one channel: verify → write synced → acknowledge → deliver. */
export class Payee {
  readonly #mailbox: ChannelMailbox;
  #inbox: Arrival[] = [];
  #held: Arrival[] = [];
  #gap: NodeJS.Timeout | undefined;
  #running = false;

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
  }

  get isIdle(): boolean {
    return !this.#running && this.#inbox.length === 0 && this.#held.length === 0;
  }

  /**
   * Takes one update. While a run of them is being written the next ones gather here, to be verified by one
   * signature and written together.
   */
  take(update: Update, session: PeerSession): void {
    this.#mailbox.context.backlog.add(session, update.entries.length + UPDATE_OVERHEAD);
    this.#inbox.push({ update, session });
    if (!this.#running) void this.#run();
  }

  /** A session ended: what it left unread is resent on the next one. */
  forget(session: PeerSession): void {
    this.#inbox = this.#inbox.filter((arrival) => arrival.session !== session);
    this.#held = this.#held.filter((arrival) => arrival.session !== session);
    if (this.#held.length === 0) this.#endGap();
  }

  async #run(): Promise<void> {
    const { chain, committer, stopping } = this.#mailbox.context;
    this.#running = true;
    try {
      // Waiting for the end of this turn gathers what one read of the socket brought.
      await Promise.resolve();
      while (this.#inbox.length > 0) {
        if (!chain.isFresh) await this.#fresh();
        const run = this.#inbox.splice(0, MAX_RUN);
        const fresh: Arrival[] = [];
        for (const arrival of run) {
          const known = arrival.update.proof.nonce <= this.#mailbox.state.received.nonce;
          if (known) await this.#resent(arrival);
          else fresh.push(arrival);
        }
        // Peers that together bring more than the disk takes wait; a commit beyond its bounds would stop the node.
        while (!committer.hasRoom) await committer.room(stopping);
        if (fresh.length > 0) await this.#receive(fresh);
        // What waits behind a gap is still in memory, and its sender's to answer for.
        for (const arrival of run) if (!this.#held.includes(arrival)) this.#done(arrival);
      }
    } catch (error) {
      this.#mailbox.fail(error);
    } finally {
      this.#running = false;
    }
    this.#mailbox.advanceClose();
  }

  /**
   * Waits until the newest block is new enough to tell whether the channel is still open: what a payer sends after a
   * close that we cannot see is worth nothing. Unacknowledged it is not paid for, and it is resent after a restart.
   */
  async #fresh(): Promise<void> {
    const { chain, stopping } = this.#mailbox.context;
    while (!chain.isFresh) await sleep(STALE_LOOK_MS, stopping);
  }

  #done({ update, session }: Arrival): void {
    this.#mailbox.context.backlog.remove(session, update.entries.length + UPDATE_OVERHEAD);
  }

  async #receive(run: readonly Arrival[]): Promise<void> {
    const { context } = this.#mailbox;
    const { requests } = context;
    const updates = run.map(({ update }) => update);
    const known = requests.isEmpty ? undefined : await requests.look(updates);
    const { state } = this.#mailbox;
    const result = receiveUpdates(state, updates, context.ports);
    if (result.taken > 0) {
      const taken = updates.slice(0, result.taken);
      const payer = otherSide(state.side);
      const time = Date.now();
      const ops: Op[] = taken.map((update) => ({
        type: "put",
        key: updateKey(state.idBytes, payer, update.proof.nonce),
        value: encodeUpdate(update, time),
      }));
      const judgement = result.evidence ? undefined : known && this.#judge(taken, known);
      if (judgement !== undefined) ops.push(...judgement.ops);
      await this.#mailbox.commit(result.state, ops, true, time);
      context.proofCopy?.note(this.#mailbox.state);
      if (!result.evidence) this.#accept(taken, run[result.taken - 1]!.session);
      if (judgement !== undefined) context.judged(this.#mailbox.channelId, judgement);
      this.#release();
    }
    if (result.refusal !== undefined) this.#refused(result.refusal, run.slice(result.taken));
  }

  /** Which requests of ours the payments pay, or undefined: none names one. */
  #judge(updates: readonly Update[], known: Known): Judgement | undefined {
    if (known.size === 0) return undefined;
    const { channelId, peer, state, context } = this.#mailbox;
    return context.requests.judge({ channelId, peer, token: state.terms.channel.token }, updates, known);
  }

  /** Durable: acknowledged to the payer, delivered to the application. */
  #accept(updates: readonly Update[], session: PeerSession): void {
    const { channelId, context } = this.#mailbox;
    const nonce = updates.at(-1)!.proof.nonce;
    session.send({ kind: "ack", channelId, nonce, chainTime: context.chain.confirmedTime() });
    this.deliver(updates);
  }

  /** Tells the application of payments that are durable. */
  deliver(updates: readonly Update[]): void {
    const { context } = this.#mailbox;
    const each = context.listens("payment");
    for (const update of updates) {
      const batch = new PaymentBatch(this.#mailbox, update);
      context.emit("payments", batch);
      if (each) for (const payment of batch) context.emit("payment", payment);
    }
  }

  /** An update we hold already: acknowledged again if it is the same, a fork if it is not. */
  async #resent({ update, session }: Arrival): Promise<void> {
    const { state, context, channelId } = this.#mailbox;
    const { nonce } = update.proof;
    const stored = await context.store.get(updateKey(state.idBytes, otherSide(state.side), nonce));
    const refusal =
      stored === undefined ? refuse("nonce_fork", { nonce }) : checkResent(update, decodeUpdate(stored));
    if (refusal !== undefined) {
      this.#mailbox.refuse(refusal, session);
      return;
    }
    if (nonce <= state.accepted) {
      session.send({
        kind: "ack",
        channelId,
        nonce: state.accepted,
        chainTime: context.chain.confirmedTime(),
      });
    }
  }

  #refused(refusal: Refusal, rest: readonly Arrival[]): void {
    const first = rest[0]!;
    if (refusal.code === "nonce_gap" && this.#held.length + rest.length <= MAX_HELD) {
      this.#held.push(...rest);
      this.#gap ??= setTimeout(() => this.#gapStays(), GAP_PATIENCE_MS).unref();
      return;
    }
    // What follows a lie on the same session is not worth reading.
    this.forget(first.session);
    this.#mailbox.refuse(refusal, first.session);
  }

  /** The gap may have closed: what was held is tried again, in order. */
  #release(): void {
    if (this.#held.length === 0) return;
    const held = this.#held.sort((a, b) => (a.update.proof.nonce < b.update.proof.nonce ? -1 : 1));
    this.#held = [];
    this.#endGap();
    this.#inbox.unshift(...held);
  }

  #gapStays(): void {
    this.#gap = undefined;
    const first = this.#held[0];
    if (first === undefined) return;
    const expected = this.#mailbox.state.received.nonce + 1n;
    this.#held = [];
    this.#mailbox.refuse(
      refuse("nonce_gap", { expected, received: first.update.proof.nonce }),
      first.session,
    );
  }

  #endGap(): void {
    clearTimeout(this.#gap);
    this.#gap = undefined;
  }
}

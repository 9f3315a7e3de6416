import { NO_SIGNATURE } from "../../chain/escrow.ts";
import type { Call } from "../../chain/eth.ts";
import type { Outcome, Progress } from "../../chain/intent.ts";
import type { ChainNotice } from "../../chain/watcher.ts";
import {
  type ChainReading,
  type ChannelState,
  type Dispute,
  disputeOf,
  lapseClose,
  lapseWithdrawals,
  noteHalt,
  observeChain,
  observeRecorded,
  observeSettled,
  otherSide,
  participantOf,
  sideOf,
} from "../../protocol/index.ts";
import { decodeUpdate, needsAttention } from "../../store/channelRecord.ts";
import { updateRange } from "../../store/keys.ts";
import type { ChannelReading } from "../chainSync.ts";
import { logTrouble } from "../warnings.ts";
import type { ChannelMailbox } from "./mailbox.ts";

/** Hears of one channel's transactions, by what they do: `settle`, `withdraw`, … */
type TransactionListener = (action: string, progress: Progress) => void;

/** Transactions of ours that are told as a dispute: what both have signed is none. */
const DISPUTES: ReadonlySet<string> = new Set(["startClose", "challenge", "settle"]);

/** What the chain shows of one channel, and what this node does about it. */
export class ChainSide {
  readonly #mailbox: ChannelMailbox;
  #refreshing: Promise<void> | undefined;
  #again = false;
  /** The block of the newest event about this channel, until a confirmed block no older than it has been read. */
  #awaited: number | undefined;
  /** Transactions under way by name, so that each is asked for once at a time, and what is known of them. */
  readonly #publishing = new Map<string, Progress | undefined>();
  /** Hashes of transactions that were told of: asking for one again confirms it again. */
  readonly #told = new Set<string>();
  /** The chain went from open to settled between two readings: how, the event says. */
  #settledUnseen = false;
  /** As many as applications wait: each is taken out when its wait ends. */
  readonly #listeners = new Set<TransactionListener>();
  /** Tries of a transaction that ended without effect; another try is another intent. */
  readonly #tries = new Map<string, number>();

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
  }

  /** The chain is being read, or a transaction is under way. */
  get isBusy(): boolean {
    return this.#refreshing !== undefined || this.#publishing.size > 0;
  }

  /** An event's block is not confirmed yet: the channel is looked at until what it changed counts. */
  get awaitsBlock(): boolean {
    return this.#awaited !== undefined;
  }

  /** Takes a notice of the watcher; resolves once what follows from it is durable. */
  async notice(notice: ChainNotice): Promise<void> {
    const { context, channelId } = this.#mailbox;
    if (notice.stage === "removed") {
      context.emit("warning", {
        code: "reorganisation",
        message: `a reorganisation removed "${notice.kind}" from block ${notice.block.number}`,
        channelId,
      });
    }
    if (notice.kind === "proofRecorded" && notice.stage !== "removed") {
      const payer = sideOf(this.#mailbox.state.terms.channel, notice.payer);
      if (payer !== undefined) await this.#adopt(observeRecorded(this.#mailbox.state, payer, notice.nonce));
    }
    if (notice.kind === "settled" && notice.stage === "confirmed") {
      const isUnseen = this.#settledUnseen || this.#mailbox.state.terms.phase === "open";
      this.#settledUnseen = false;
      await this.#settled([notice.share0, notice.share1]);
      if (isUnseen && !notice.cooperative) this.#tellClose("settled");
    }
    if (this.#mailbox.state.terms.phase === "settled") {
      this.#awaited = undefined;
      context.attend(channelId, false);
      return;
    }
    // Notices come before the blocks they confirm can be read: without this a deposit into an open channel would
    // count only when something else happens to it.
    this.#awaited = Math.max(this.#awaited ?? 0, notice.block.number);
    context.attend(channelId, true);
    // The blocks we know are being taken back: reading at one that is gone fails, and must not hold the rewind up.
    if (notice.stage === "removed") this.refreshSoon();
    else await this.refresh();
  }

  /** Reads the channel on chain and acts on it; calls that come meanwhile share one more reading. */
  refresh(): Promise<void> {
    this.#again = true;
    this.#refreshing ??= this.#refresh();
    return this.#refreshing;
  }

  /** Like {@link refresh} with nobody waiting: what fails now is tried again with the next block. */
  refreshSoon(): void {
    const { context, channelId } = this.#mailbox;
    this.refresh().catch((error: unknown) => {
      if (context.stopping.aborted) return;
      logTrouble(context.log, { error, channelId }, "a channel could not be read from the chain");
    });
  }

  /**
   * Publishes a transaction of this channel under a name of its own. What is refused or ends without effect is
   * looked at again with the next block, since the other side may have been quicker.
   */
  publish(name: string, call: Call, deadline?: bigint): void {
    if (this.#publishing.has(name)) return;
    this.#publishing.set(name, undefined);
    void this.#publish(name, call, deadline).finally(() => this.#publishing.delete(name));
  }

  /** Adds a listener until the returned function is called; it hears of what is under way at once. */
  listen(listener: TransactionListener): () => void {
    this.#listeners.add(listener);
    for (const [name, progress] of this.#publishing) {
      if (progress !== undefined) listener(actionOf(name), progress);
    }
    return () => this.#listeners.delete(listener);
  }

  #tell(name: string, progress: Progress): void {
    this.#publishing.set(name, progress);
    for (const listener of this.#listeners) listener(actionOf(name), progress);
  }

  async #refresh(): Promise<void> {
    await undefined; // so that `refresh` has noted this promise before it can be taken away
    try {
      while (this.#again && this.#mailbox.state.terms.phase !== "settled") {
        this.#again = false;
        await this.#readAndAct();
      }
    } finally {
      // In the same turn as the last look at `#again`: a call in between would wait for a reading that never comes.
      this.#refreshing = undefined;
    }
  }

  async #readAndAct(): Promise<void> {
    const { context, channelId, state } = this.#mailbox;
    const confirmed = context.chain.confirmedNumber();
    const reading = await context.chain.read(channelId, state.terms.channel, context.stopping);
    const { newest } = reading;
    const before = this.#mailbox.state.terms.phase;
    await this.#adopt(this.#observed(reading));
    if (this.#awaited !== undefined && confirmed >= this.#awaited) {
      this.#awaited = undefined;
      context.attend(channelId, needsAttention(this.#mailbox.state));
    }
    if (before !== "closing" && this.#mailbox.state.terms.phase === "closing") {
      if (newest.status === "settled") this.#settledUnseen = true;
      else this.#tellClose(`deadline ${newest.deadline}`);
      this.#mailbox.payer.failQueuedAsClosed();
    }
    this.#act(reading);
  }

  #tellClose(detail: string): void {
    const { context, channelId } = this.#mailbox;
    context.emit("dispute", { channelId, action: "closeSeen", detail });
  }

  /** Lapses by the time of the very block that was read: a later one may hold what this one does not show yet. */
  #observed({ confirmed, newest, confirmedTime }: ChannelReading): ChannelState {
    const state = observeChain(this.#mailbox.state, confirmed, newest);
    const lapsed = lapseClose(lapseWithdrawals(state, confirmedTime), confirmedTime);
    return noteHalt(lapsed, this.#mailbox.context.chain.bindingTime());
  }

  async #adopt(state: ChannelState): Promise<void> {
    if (state !== this.#mailbox.state) await this.#mailbox.commit(state, [], true);
  }

  /** Publishes what keeps our money whole. Every call may repeat the last: intents are named. */
  #act({ newest, newestTime }: ChannelReading): void {
    const { state, context, closer, withdrawer } = this.#mailbox;
    closer.publishAgreed();
    withdrawer.publishAgreed();
    closer.endHalt();
    const dispute = disputeOf(state, newest, newestTime);
    if (dispute !== undefined) this.#dispute(dispute, newest);
    // Where blocks are made on demand the one to settle in comes only when asked for. Our clock may be wrong, though,
    // or the chain late, so it never decides that it is too late to challenge.
    const due = newest.status === "closing" && context.chain.bindingTime() >= newest.deadline;
    if (due && dispute?.kind !== "settle") this.#dispute({ kind: "settle" }, newest);
  }

  #dispute(dispute: Dispute, newest: ChainReading): void {
    const { state, context } = this.#mailbox;
    const { channel } = state.terms;
    const { escrow } = context;
    if (dispute.kind === "settle") {
      this.publish("settle", escrow.settle(channel));
      return;
    }
    const { proof } = dispute;
    const evidence = { proof, signature: proof.signature, endorsement: NO_SIGNATURE, locks: [] };
    if (dispute.kind === "challenge") {
      const payer = participantOf(channel, otherSide(state.side));
      this.publish(
        `challenge/${proof.nonce}`,
        escrow.challenge(channel, payer, evidence),
        newest.deadline - 1n,
      );
      return;
    }
    const us = participantOf(channel, state.side);
    const intent = { deadline: 0n, closeSignature: NO_SIGNATURE };
    this.publish(`startClose/${proof.nonce}`, escrow.startClose(channel, us, intent, evidence));
  }

  async #publish(name: string, call: Call, deadline: bigint | undefined): Promise<void> {
    const { context, channelId } = this.#mailbox;
    const tries = this.#tries.get(name) ?? 0;
    const id = `${channelId}/${name}${tries === 0 ? "" : `/${tries}`}`;
    const limit = deadline === undefined ? {} : { deadline: Number(deadline) };
    let outcome: Outcome;
    try {
      // What is published must not be forgotten: a power cut could otherwise let us accept a fork of it.
      await context.committer.flush();
      const onProgress = (progress: Progress) => this.#tell(name, progress);
      outcome = await context.chain.submit(
        { id, ...call, ...limit },
        { signal: context.stopping, onProgress },
      );
    } catch (error) {
      if (!context.stopping.aborted) context.fail(error);
      return;
    }
    const action = actionOf(name);
    if (outcome.ok) {
      if (!DISPUTES.has(action) || this.#told.has(outcome.hash)) return;
      this.#told.add(outcome.hash);
      context.emit("dispute", { channelId, action, detail: `confirmed ${outcome.hash}` });
      return;
    }
    if (outcome.code === "tx_reverted" || outcome.code === "tx_cancelled" || outcome.code === "nonce_taken") {
      this.#tries.set(name, tries + 1);
    }
    context.log.info({ channelId, action, outcome: outcome.code }, "transaction without effect");
    if (outcome.code === "gas_wallet_empty") {
      this.#tell(name, { stage: "waiting", reason: outcome.code });
      const message = `the account cannot pay the gas of "${action}": ${outcome.need - outcome.have} wei are missing`;
      context.emit("warning", { code: outcome.code, message, channelId });
    }
  }

  /** Final: what the chain paid is what there is. Payments beyond the recorded proof were never made. */
  async #settled(shares: readonly [bigint, bigint]): Promise<void> {
    const { state: before, payer, payee, context } = this.#mailbox;
    if (before.terms.phase === "settled") return;
    const after = observeSettled(before, shares);
    await this.#mailbox.commit(after, [], true);
    payer.failQueuedAsClosed();
    payer.settleFinally(after.terms.chain.close?.recorded[after.side] ?? after.acknowledged);
    const range = updateRange(
      after.idBytes,
      otherSide(after.side),
      before.accepted + 1n,
      after.accepted + 1n,
    );
    for await (const [, value] of context.store.range(range)) payee.deliver([decodeUpdate(value)]);
  }
}

/** What a transaction does, from its name. */
function actionOf(name: string): string {
  return name.split("/", 1)[0]!;
}

import type { PeerSession } from "../../p2p/session.ts";
import {
  type Address,
  addressFromBytes,
  type ChannelId,
  type ChannelState,
  type Credits,
  isLie,
  type Refusal,
  receiveCredited,
} from "../../protocol/index.ts";
import { encodeChannelState, needsAttention } from "../../store/channelRecord.ts";
import { channelKey } from "../../store/keys.ts";
import type { Op } from "../../store/store.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import { ChainSide } from "./chainSide.ts";
import { Closer } from "./closer.ts";
import { Establisher } from "./establisher.ts";
import { Payee } from "./payee.ts";
import { Payer } from "./payer.ts";
import { Withdrawer } from "./withdrawer.ts";

/**
 * How long an acknowledgement may wait for a commit that takes it along, when the history is to tell of it: longer
 * than a busy channel takes for its next one, shorter than anybody notices.
 */
const NOTED_MS = 5;

/** Applications that wait for one channel to reach a state; more than a handful is a leak. */
const MAX_WAITERS = 1024;

interface Waiter {
  readonly wanted: (state: ChannelState) => boolean;
  readonly resolve: (state: ChannelState) => void;
}

/**
 * One channel's only owner. Every change goes the same way: a pure transition on the current state, one atomic
 * batch, then the effects. Transitions and the call to `commit` happen in one turn of the event loop, so batches
 * reach the disk in the order of the transitions; nobody else writes the channel's record.
 */
export class ChannelMailbox {
  readonly context: NodeContext;
  readonly channelId: ChannelId;
  /** The signer of the other side: whoever speaks for it may speak about this channel. */
  readonly peer: Address;
  readonly payer: Payer;
  readonly payee: Payee;
  readonly establisher: Establisher;
  readonly withdrawer: Withdrawer;
  readonly closer: Closer;
  readonly chainSide: ChainSide;
  readonly #key: Uint8Array;
  /** When this process began to look after it, Unix milliseconds. */
  readonly since = Date.now();
  readonly #waiters = new Set<Waiter>();
  #state: ChannelState;
  /** The state as it was last written. */
  #written: ChannelState;
  #sequence: number;
  /** What was still under way when the channel was forgotten must not write it again. */
  #erased = false;
  /** Something was noted and not written yet. */
  #noted = false;
  #noting: NodeJS.Timeout | undefined;
  /** Commits on their way to the disk, whose effects are still to come. */
  #writing = 0;
  /** The credits last told to the peer on this session. */
  #told: Credits | undefined;

  constructor(context: NodeContext, state: ChannelState, sequence: number) {
    this.context = context;
    this.channelId = state.id;
    this.peer = addressFromBytes(state.counterpartySigner);
    this.#state = state;
    this.#written = state;
    this.#sequence = sequence;
    this.#key = channelKey(state.idBytes);
    this.payer = new Payer(this);
    this.payee = new Payee(this);
    this.establisher = new Establisher(this);
    this.withdrawer = new Withdrawer(this);
    this.closer = new Closer(this);
    this.chainSide = new ChainSide(this);
  }

  get state(): ChannelState {
    return this.#state;
  }

  /** The session on which both sides have re-established this channel: the only one anything new is signed for. */
  get session(): PeerSession | undefined {
    return this.establisher.session;
  }

  /**
   * Nothing would be lost by forgetting this mailbox until somebody asks for it again. Forgotten in the middle of
   * something it would have a twin, and two owners of one channel sign one nonce twice.
   */
  get isIdle(): boolean {
    return (
      !this.#noted &&
      this.#writing === 0 &&
      !this.establisher.isConnected &&
      !this.chainSide.isBusy &&
      !this.chainSide.awaitsBlock &&
      this.payer.isIdle &&
      this.payee.isIdle &&
      this.#waiters.size === 0 &&
      !needsAttention(this.#state)
    );
  }

  /**
   * Makes `next` the state and writes it together with `ops`; resolves once written, or with `sync` once durable.
   * Effects come after. A failed write stops the node: nothing that follows could be trusted. `time`: the one that
   * updates among `ops` carry, Unix milliseconds.
   */
  async commit(next: ChannelState, ops: Op[], sync: boolean, time = Date.now()): Promise<void> {
    const before = this.#state;
    if (this.#erased) {
      this.#state = next;
      return;
    }
    this.context.history.record(this.#written, next, ops, time);
    this.#state = next;
    this.#written = next;
    this.#noted = false;
    ops.push(...this.context.bookJournal.ops(before, next, time));
    ops.push({ type: "put", key: this.#key, value: encodeChannelState(next, ++this.#sequence) });
    if (needsAttention(next) !== needsAttention(before)) {
      this.context.attend(this.channelId, needsAttention(next) || this.chainSide.awaitsBlock);
    }
    this.#writing++;
    try {
      await this.context.committer.commit(ops, { sync });
    } finally {
      this.#writing--;
    }
    if (before.terms !== next.terms) this.#announce(before, next);
    this.#wake();
  }

  /** A change that may be lost without harm, because reconnecting tells it again: written with the next commit. */
  note(next: ChannelState): void {
    this.#state = next;
    this.#noted = true;
    if (this.context.history.isOn) this.#noting ??= setTimeout(this.#writeNoted, NOTED_MS).unref();
    this.#wake();
  }

  /** What nobody took along. */
  readonly #writeNoted = (): void => {
    this.#noting = undefined;
    if (this.context.stopping.aborted) return;
    this.rest().catch((error: unknown) => this.fail(error));
  };

  /** Resolves with the first state that satisfies `wanted`; rejects with the signal's reason. */
  until(wanted: (state: ChannelState) => boolean, signal: AbortSignal): Promise<ChannelState> {
    if (wanted(this.#state)) return Promise.resolve(this.#state);
    if (this.#waiters.size >= MAX_WAITERS) {
      return Promise.reject(new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_WAITERS) } }));
    }
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        wanted,
        resolve: (state) => {
          signal.removeEventListener("abort", abort);
          resolve(state);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Resolves once both sides have re-established the channel on a live session; rejects with the signal's reason. */
  connected(signal: AbortSignal): Promise<void> {
    return this.establisher.established(signal);
  }

  /** Writes what acknowledgements changed, before the node stops or forgets this channel. */
  async rest(): Promise<void> {
    if (this.#noted) await this.commit(this.#state, [], false);
  }

  /** Removes the channel's record, for good: only for one that never held money. */
  erase(ops: readonly Op[] = []): Promise<void> {
    this.#erased = true;
    const del: Op = { type: "del", key: this.#key, sequence: this.#sequence };
    return this.context.committer.commit([del, ...ops], { sync: true });
  }

  /** Tells the peer what we count, which the caller has made durable; once per change and session. */
  tellCredits(session: PeerSession, credits: Credits): void {
    if (this.#told === credits) return;
    this.#told = credits;
    session.send({ kind: "credited", channelId: this.channelId, credits });
  }

  /** Takes what the payee of our direction counts. */
  async receiveCredited(credits: Credits, session: PeerSession): Promise<void> {
    const step = receiveCredited(this.#state, credits);
    if (!step.ok) {
      this.refuse(step, session);
      return;
    }
    if (step.state !== this.#state) await this.commit(step.state, [], false);
    this.payer.kick();
  }

  /** Checks whether a cooperative close can take its next step. */
  advanceClose(): void {
    if (this.#state.terms.stop !== undefined) this.closer.advance();
  }

  /** Answers a refusal: a lie costs the peer its session, anything else is told to the operator. */
  refuse(refusal: Refusal, session: PeerSession | undefined): void {
    this.context.emit("warning", {
      code: refusal.code,
      message: new NodeError(refusal).message,
      channelId: this.channelId,
    });
    if (refusal.code === "channel_behind") this.establisher.dropped();
    if (isLie(refusal) && session !== undefined) void session.close(refusal);
    if (refusal.code === "credit_lowered") this.closeAlone("the peer overspent what we lowered");
  }

  /** Starts a unilateral close that nobody waits for. */
  closeAlone(reason: string): void {
    this.closer.unilateral(reason).catch((error: unknown) => this.fail(error));
  }

  /** The database failed or a bug showed: the node must not go on signing. */
  fail(error: unknown): void {
    this.context.fail(error);
  }

  #announce(before: ChannelState, next: ChannelState): void {
    const { session } = this;
    if (session !== undefined) this.tellCredits(session, next.terms.announced);
    const { phase } = next.terms;
    if (before.terms.phase !== phase || before.terms.chain !== next.terms.chain) {
      this.context.emit("channel", { channelId: this.channelId, phase });
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.wanted(this.#state)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(this.#state);
    }
  }
}

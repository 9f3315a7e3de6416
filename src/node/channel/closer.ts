import { MAX_TIMER_MS } from "../../chain/wait.ts";
import type { PeerSession } from "../../p2p/session.ts";
import {
  balance,
  type ChannelState,
  isComplete,
  isQuiescent,
  noteHalt,
  receiveCloseSignature,
  receiveStop,
  type SignedClose,
  signClose,
  startClosing,
  stopForClose,
} from "../../protocol/index.ts";
import type { CloseSignMessage } from "../../wire/message.ts";
import { NodeError } from "../error.ts";
import type { CloseProgress } from "../progress.ts";
import type { ChannelMailbox } from "./mailbox.ts";

/** How long a signed cooperative close may wait for its transaction. */
const CLOSE_SECONDS = 1800n;

/** When so little is left of a signed close, whoever did not ask for it publishes it too. */
const FALLBACK_SECONDS = 900n;

/**
 * A signed close with less than this left is not repeated: the other side may have let it lapse already, would stop
 * anew, and then take our next payment for a lie.
 */
const LAPSING_SECONDS = 300n;

/**
 * How long a channel may stay stopped for a close that the other side does not complete: longer than an honest peer
 * takes to restart. It is longer than the patience of {@link Closer.close}, which needs somebody who waits.
 */
const HALT_PATIENCE_SECONDS = 600n;

/** How long the other side may take to agree to a cooperative close, milliseconds. */
const DEFAULT_PATIENCE_MS = 60_000;

/**
 * `cooperative` (default) settles at once if the peer agrees in time, and becomes unilateral if it does not; `unilateral`
 * does not ask and starts the challenge period straight away.
 */
export type CloseMode = "cooperative" | "unilateral";

export interface CloseOptions {
  readonly mode?: CloseMode;
  /** How long the peer may take to agree, milliseconds. Default 60,000. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CloseProgress) => void;
}

type Waits = CloseOptions & {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CloseProgress) => void;
};

/** What the transactions of a close are steps of. */
const STEPS: Readonly<Record<string, CloseProgress["step"]>> = {
  closeCooperatively: "settling",
  startClose: "closing",
  challenge: "challenging",
  settle: "settling",
};

/** Ends a channel: together when the peer answers, alone when it does not. */
export class Closer {
  readonly #mailbox: ChannelMailbox;
  #signing = false;
  /** Applications that wait for a cooperative close, with a patience of their own. */
  #waiting = 0;

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
  }

  /**
   * Closes as `options` say and resolves with the settled state, once confirmed. An abort ends the waiting, not the
   * close: that goes on by itself, over restarts.
   */
  async close(options: Waits): Promise<ChannelState> {
    const { channelId, chainSide } = this.#mailbox;
    const { signal, onProgress } = options;
    const unlisten = chainSide.listen((action, progress) => {
      const step = STEPS[action];
      if (step !== undefined) onProgress({ step, channelId, progress, until: this.#deadlineOf(action) });
    });
    try {
      const reason = await this.#aloneBecause(options);
      if (reason !== undefined) {
        onProgress({ step: "closing", channelId, reason });
        await this.unilateral(reason);
      }
      // Whoever started it: also the other side may have closed alone meanwhile.
      const { terms } = await this.#mailbox.until(isUnderWay, signal);
      if (terms.phase !== "settled")
        onProgress({ step: "challengePeriod", channelId, until: terms.chain.close?.deadline });
      const settled = await this.#mailbox.until(({ terms }) => terms.chain.settled !== undefined, signal);
      onProgress({ step: "settled", channelId });
      return settled;
    } finally {
      unlisten();
    }
  }

  /** Why it takes a unilateral close; undefined when what both signed settles it, or it is settled. */
  async #aloneBecause(options: Waits): Promise<string | undefined> {
    const { phase } = this.#mailbox.state.terms;
    if (phase === "settled") return undefined;
    if (phase === "closing") return "the channel is closing already";
    if (options.mode === "unilateral") return "asked for by the application";
    this.#waiting++;
    return this.#together(options).finally(() => this.#waiting--);
  }

  /** Until when a transaction of the close is of use. */
  #deadlineOf(action: string): bigint | undefined {
    const { stop, chain } = this.#mailbox.state.terms;
    if (action === "closeCooperatively") return stop?.signed?.deadline;
    return action === "challenge" ? chain.close?.deadline : undefined;
  }

  /** Undefined once the chain has what both signed, else why it takes a unilateral close. */
  async #together(options: Waits): Promise<string | undefined> {
    const { channelId } = this.#mailbox;
    const { signal, onProgress, patience: milliseconds = DEFAULT_PATIENCE_MS } = options;
    await this.cooperative();
    const until = BigInt(Math.ceil((Date.now() + milliseconds) / 1000));
    onProgress({ step: "signing", channelId, until });
    const patience = AbortSignal.timeout(Math.min(milliseconds, MAX_TIMER_MS));
    const answered = ({ terms }: ChannelState) => terms.phase !== "open" || isAgreed(terms.stop?.signed);
    try {
      const { terms } = await this.#mailbox.until(answered, AbortSignal.any([signal, patience]));
      if (terms.stop?.signed !== undefined)
        onProgress({ step: "agreed", channelId, until: terms.stop.signed.deadline });
    } catch (reason) {
      if (signal.aborted) throw reason;
      return "the peer did not agree to a cooperative close in time";
    }
    const over = await this.#mailbox.until(
      ({ terms }) => terms.phase !== "open" || terms.stop === undefined,
      signal,
    );
    return over.terms.phase === "open" ? "the cooperative close did not reach the chain in time" : undefined;
  }

  /**
   * Closes alone a channel that stays stopped: no word of ours undoes a stop, as the other side holds us to the last
   * update we announced. Not if it would only cost us gas: the channel then stays stopped until somebody closes it.
   */
  endHalt(): void {
    const { state, context } = this.#mailbox;
    const { haltedSince, stop } = state.terms;
    if (haltedSince === undefined || state.terms.phase !== "open" || this.#waiting > 0) return;
    if (context.chain.bindingTime() < haltedSince + HALT_PATIENCE_SECONDS) return;
    if (stop?.wanted !== true && balance(state) <= 0n) return;
    this.#mailbox.closeAlone("the other side did not complete the cooperative close in time");
  }

  /** Stops payments and asks the other side to close together. The channel then settles by itself. */
  async cooperative(): Promise<void> {
    const step = stopForClose(this.#mailbox.state);
    if (!step.ok) throw new NodeError(step);
    this.#mailbox.payer.failQueuedAsClosed();
    const state = noteHalt(step.state, this.#mailbox.context.chain.bindingTime());
    await this.#mailbox.commit(state, [], true);
    const { session } = this.#mailbox;
    if (session !== undefined) this.resume(session, state);
  }

  /**
   * Starts a unilateral close with the latest incoming proof: no word of the other side is needed. Resolves once the
   * intention is durable; the transactions follow, however long the chain takes to answer.
   */
  async unilateral(reason: string): Promise<void> {
    const { context, channelId, chainSide } = this.#mailbox;
    const next = startClosing(this.#mailbox.state);
    if (next === this.#mailbox.state) return;
    context.emit("dispute", { channelId, action: "closing", detail: reason });
    this.#mailbox.payer.failQueuedAsClosed();
    await this.#mailbox.commit(next, [], true);
    chainSide.refreshSoon();
  }

  /** A new session: what was announced or signed in the durable `state` is said again. */
  resume(session: PeerSession, state: ChannelState): void {
    const { channelId } = this.#mailbox;
    const { stop } = state.terms;
    if (stop === undefined) return;
    const lapsing = this.#mailbox.context.chain.bindingTime() + LAPSING_SECONDS;
    if (stop.signed !== undefined && lapsing > stop.signed.deadline) return;
    session.send({ kind: "closeStop", channelId, sentNonce: stop.ours });
    if (stop.signed !== undefined) this.#sendSignature(session, state, stop.signed);
    this.advance();
  }

  async receiveStop(sentNonce: bigint, session: PeerSession): Promise<void> {
    const before = this.#mailbox.state;
    const step = receiveStop(before, sentNonce);
    if (!step.ok) {
      this.#mailbox.refuse(step, session);
      return;
    }
    this.#mailbox.payer.failQueuedAsClosed();
    const state = noteHalt(step.state, this.#mailbox.context.chain.bindingTime());
    await this.#mailbox.commit(state, [], true);
    const { stop } = state.terms;
    if (before.terms.stop === undefined && stop !== undefined) {
      session.send({ kind: "closeStop", channelId: this.#mailbox.channelId, sentNonce: stop.ours });
    }
    this.advance();
  }

  /** Side 0 signs as soon as both sides are quiet. */
  advance(): void {
    const { state, session } = this.#mailbox;
    const ready = state.side === 0 && isQuiescent(state) && state.terms.stop?.signed === undefined;
    if (!ready || session === undefined || this.#signing) return;
    this.#signing = true;
    void this.#sign(session)
      .catch((error: unknown) => this.#mailbox.fail(error))
      .finally(() => {
        this.#signing = false;
      });
  }

  async receiveSignature(message: CloseSignMessage, session: PeerSession): Promise<void> {
    const { state, context } = this.#mailbox;
    const step = receiveCloseSignature(state, message, context.chain.newestTime(), context.ports);
    if (!step.ok) {
      this.#mailbox.refuse(step, session);
      return;
    }
    await this.#mailbox.commit(step.state, [], true);
    if (state.side === 1) this.#sendSignature(session, step.state, step.close);
    this.publishAgreed();
  }

  /** Brings the agreed close on chain if our application asked for it, or if nobody else seems to. */
  publishAgreed(): void {
    const { state, context, chainSide } = this.#mailbox;
    const { stop, channel, phase } = state.terms;
    if (stop?.signed === undefined || !isComplete(stop.signed) || phase === "settled") return;
    const { deadline, signatures, transferred0, transferred1 } = stop.signed;
    const late = context.chain.bindingTime() + FALLBACK_SECONDS > deadline;
    if (!stop.wanted && !late) return;
    const totals = [transferred0, transferred1] as const;
    const call = context.escrow.closeCooperatively(channel, totals, deadline, signatures);
    chainSide.publish(`closeCooperatively/${deadline}`, call, deadline);
  }

  async #sign(session: PeerSession): Promise<void> {
    const { context } = this.#mailbox;
    const deadline = context.chain.newestTime() + CLOSE_SECONDS;
    const step = signClose(this.#mailbox.state, deadline, context.ports);
    if (!step.ok) return;
    await this.#mailbox.commit(step.state, [], true);
    this.#sendSignature(session, step.state, step.close);
  }

  #sendSignature(session: PeerSession, state: ChannelState, close: SignedClose): void {
    const signature = close.signatures[state.side];
    if (signature.length === 0) return;
    const { transferred0, transferred1, deadline } = close;
    const { channelId } = this.#mailbox;
    session.send({ kind: "closeSign", channelId, transferred0, transferred1, deadline, signature });
  }
}

/** The chain has a close of one side alone, or is through with the channel. */
function isUnderWay({ terms }: ChannelState): boolean {
  return (terms.chain.close?.deadline ?? 0n) > 0n || terms.chain.settled !== undefined;
}

function isAgreed(close: SignedClose | undefined): boolean {
  return close !== undefined && isComplete(close);
}

import type { PeerSession } from "../../p2p/session.ts";
import {
  adoptReturned,
  type BalanceProof,
  otherSide,
  type Reestablish,
  type Reestablished,
  receiveReestablish,
  reestablish,
  refuse,
  type Side,
  type Update,
} from "../../protocol/index.ts";
import { decodeUpdate, encodeUpdate } from "../../store/channelRecord.ts";
import { updateKey, updateRange } from "../../store/keys.ts";
import type { Op } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import type { ChannelMailbox } from "./mailbox.ts";
import { indexOps } from "./paymentIds.ts";

/** How long the other side may take, over all sessions, to return what it says we lost: it has it at hand. */
const CATCH_UP_MS = 10 * 60_000;

/** Payments of one channel that wait for its peer to come back. */
const MAX_WAITING = 100_000;

/** What is resent on a session, one channel after the other: together they could exceed what may wait to be sent. */
const resending = new WeakMap<PeerSession, Promise<void>>();

/** Both sides say where they stand before anything is signed, failed or forwarded on a new session. */
export class Establisher {
  readonly #mailbox: ChannelMailbox;
  /** The session our `Reestablish` went to. */
  #told: PeerSession | undefined;
  /** Resolves when it was said: nothing else about the channel may leave before. */
  #telling: Promise<void> = Promise.resolve();
  /** The session on which the other side's was heard: once is enough, more would make us resend for nothing. */
  #heard: PeerSession | undefined;
  /** The session on which the other side's was answered in full. */
  #session: PeerSession | undefined;
  readonly #waiting = new Set<() => void>();
  #patience: NodeJS.Timeout | undefined;
  #dropped = false;
  /** How far returned updates have brought our lost direction. */
  #progress: BalanceProof | undefined;
  /** When this session began to return them: all of them are written down, and found again, under this time. */
  #returnedAt = 0;

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
  }

  get session(): PeerSession | undefined {
    return this.#session;
  }

  /** A session is, or is about to be, at work on this channel. */
  get isConnected(): boolean {
    return this.#told !== undefined || this.#session !== undefined;
  }

  /** Resolves once payments can leave; rejects with the signal's reason. */
  established(signal: AbortSignal): Promise<void> {
    if (this.#session !== undefined) return Promise.resolve();
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_WAITING) } }));
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      this.#waiting.add(go);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** Says where we stand, once per session, after making sure that all of it is durable. */
  tell(session: PeerSession): Promise<void> {
    if (this.#told !== session) {
      this.#told = session;
      this.#telling = this.#tell(session);
    }
    return this.#telling;
  }

  async #tell(session: PeerSession): Promise<void> {
    const { state, context, channelId } = this.#mailbox;
    await context.committer.flush();
    if (session.closed.aborted) return;
    session.send({ kind: "reestablish", channelId, reestablish: reestablish(state) });
  }

  /** The session ended: nothing new is signed until the next one is re-established. */
  end(session: PeerSession): void {
    if (this.#told === session) this.#told = undefined;
    if (this.#heard === session) this.#heard = undefined;
    if (this.#session === session) this.#session = undefined;
    this.#progress = undefined;
    this.#mailbox.payee.forget(session);
  }

  /** Takes where the other side stands: resends what it lacks, returns what it lost, notices what we lost. */
  async receive(message: Reestablish, session: PeerSession): Promise<void> {
    if (this.#heard === session) return;
    this.#heard = session;
    await this.tell(session);
    const { context } = this.#mailbox;
    const step = receiveReestablish(this.#mailbox.state, message, context.ports);
    if (!step.ok) {
      this.#mailbox.refuse(step, session);
      return;
    }
    const { state } = step;
    await this.#mailbox.commit(state, [], state.behind !== undefined);
    if (state.behind !== undefined && this.#progress === undefined) {
      this.#progress = state.sent;
      this.#returnedAt = Date.now();
    }
    this.#mailbox.payer.settleTo(state.acknowledged);
    this.#inTheBackground(session, () => this.#resend(session, step));
  }

  /** Nobody waits for it: two sides that each resend more than the other keeps unread would wait for each other. */
  #inTheBackground(session: PeerSession, work: () => Promise<void>): void {
    const before = resending.get(session) ?? Promise.resolve();
    const after = before.then(work).catch((error: unknown) => {
      const over = session.closed.aborted || this.#mailbox.context.stopping.aborted;
      if (!over) this.#mailbox.fail(error);
    });
    resending.set(session, after);
  }

  async #resend(session: PeerSession, { state, resendFrom, returnFrom }: Reestablished): Promise<void> {
    const { side, sent, received } = state;
    await this.#stream(session, side, resendFrom, sent.nonce, "update");
    // What arrives on this session while we resend was not lost: returned, it would pass for a lie.
    await this.#stream(session, otherSide(side), returnFrom, received.nonce, "returnedUpdate");
    if (state.behind === undefined) this.#establish(session);
    else this.#catchUp(state.behind.nonce <= state.sent.nonce);
  }

  /** Of what came back the payee may hold some as evidence only: what it accepted it acknowledges when it sees it. */
  async #resendUnacknowledged(session: PeerSession): Promise<void> {
    const { side, acknowledged, sent } = this.#mailbox.state;
    await this.#stream(session, side, acknowledged + 1n, sent.nonce, "update");
    this.#establish(session);
  }

  /** Something of the other side's had to be refused because we are behind: it is said again on a new session. */
  dropped(): void {
    this.#dropped = true;
  }

  /** A proof that no update can lead to, or that nobody leads us to, leaves only the chain. */
  #catchUp(hopeless: boolean): void {
    const close = () => {
      if (this.#mailbox.state.behind === undefined) return;
      this.#mailbox.closeAlone("we lost updates of our own that the peer does not return");
    };
    if (hopeless) close();
    else this.#patience ??= setTimeout(close, CATCH_UP_MS).unref();
  }

  /** Takes one of our own updates back that we lost. */
  async receiveReturned(update: Update, session: PeerSession): Promise<void> {
    const { state, context } = this.#mailbox;
    if (this.#progress === undefined) {
      this.#mailbox.refuse(
        refuse("nonce_gap", { expected: state.sent.nonce + 1n, received: update.proof.nonce }),
        session,
      );
      return;
    }
    const step = adoptReturned(state, this.#progress, update, context.ports);
    if (!("kind" in step)) {
      this.#mailbox.refuse(step, session);
      return;
    }
    const ops: Op[] = [
      {
        type: "put",
        key: updateKey(state.idBytes, state.side, update.proof.nonce),
        value: encodeUpdate(update, this.#returnedAt),
      },
    ];
    if (step.kind === "missing") {
      this.#progress = step.progress;
      await context.committer.commit(ops, { sync: false });
      return;
    }
    this.#progress = undefined;
    if (step.kind === "caughtUp") {
      // Only now is it known that these are our own payments: an id believed too early would never be paid.
      await this.#indexReturned(state.sent.nonce + 1n, update.proof.nonce);
      indexOps(state.idBytes, update, ops);
    }
    await this.#mailbox.commit(step.state, ops, true, this.#returnedAt);
    this.#mailbox.payer.settleTo(step.state.acknowledged);
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (step.kind === "caughtUp") {
      if (this.#dropped) void session.close({ code: "caught_up" });
      else this.#inTheBackground(session, () => this.#resendUnacknowledged(session));
      this.#dropped = false;
      return;
    }
    this.#mailbox.closeAlone("our own returned proof does not follow from what we know");
  }

  /** Indexes the application's ids of the returned updates `from` to before `to`, which are stored already. */
  async #indexReturned(from: bigint, to: bigint): Promise<void> {
    const { state, context } = this.#mailbox;
    for await (const [, value] of context.store.range(updateRange(state.idBytes, state.side, from, to))) {
      const ops: Op[] = [];
      indexOps(state.idBytes, decodeUpdate(value), ops);
      if (ops.length > 0) await context.committer.commit(ops, { sync: false });
    }
  }

  #establish(session: PeerSession): void {
    if (session.closed.aborted || this.#told !== session) return;
    this.#session = session;
    this.#resume(session).catch((error: unknown) => {
      if (!session.closed.aborted) this.#mailbox.fail(error);
    });
    this.#mailbox.payer.kick();
    this.#mailbox.context.established(this.#mailbox.channelId);
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  /**
   * Says again what was announced or signed, once it is durable: a change that is being written is in memory already,
   * and a crash must not make us unsay it.
   */
  async #resume(session: PeerSession): Promise<void> {
    const { withdrawer, closer, state, context } = this.#mailbox;
    await context.committer.flush();
    if (this.#session !== session) return;
    this.#mailbox.tellCredits(session, state.terms.announced);
    withdrawer.resume(session, state);
    closer.resume(session, state);
  }

  /** Sends stored updates of `payer` from `from` to `to`, as fast as the peer reads. */
  async #stream(
    session: PeerSession,
    payer: Side,
    from: bigint,
    to: bigint,
    kind: "update" | "returnedUpdate",
  ): Promise<void> {
    const { state, context, channelId } = this.#mailbox;
    if (from > to) return;
    // What was signed in this turn is read back from the store too: let it arrive there first.
    await context.committer.commit([], { sync: false });
    const range = { ...updateRange(state.idBytes, payer, from, to + 1n), signal: session.closed };
    for await (const [, value] of context.store.range(range)) {
      if (session.closed.aborted) return;
      if (!session.send({ kind, channelId, update: decodeUpdate(value) })) {
        await session.drained(session.closed);
      }
    }
  }
}

import type { PeerSession } from "../../p2p/session.ts";
import {
  type ChannelState,
  type LiveWithdrawal,
  liveWithdrawal,
  maxAmount,
  otherSide,
  participantOf,
  proposeWithdrawal,
  receiveWithdrawalSignature,
  signWithdrawal,
} from "../../protocol/index.ts";
import type { WithdrawMessage } from "../../wire/message.ts";
import { NodeError } from "../error.ts";
import type { WithdrawProgress } from "../progress.ts";
import type { ChannelMailbox } from "./mailbox.ts";

/** How long a signed withdrawal may wait for its transaction: long enough for three inclusions, short of the hour allowed. */
const WITHDRAWAL_SECONDS = 1800n;

interface WithdrawOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WithdrawProgress) => void;
  /** The cumulative total to withdraw up to, instead of an amount more. */
  readonly total?: bigint | undefined;
  /** Awaited with the cumulative total before anything is signed. */
  readonly onTotal?: ((total: bigint) => Promise<void>) | undefined;
}

/** Takes money out of an open channel: propose → countersign → publish. */
export class Withdrawer {
  readonly #mailbox: ChannelMailbox;
  #refused: AbortController | undefined;

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
  }

  /**
   * Withdraws `amount` more and resolves once the chain paid it. Rejects with a coded error when the other side
   * refuses or the signed deadline passes unused; the amount is then back in the channel.
   */
  async withdraw(amount: bigint, options: WithdrawOptions): Promise<void> {
    const { context } = this.#mailbox;
    const { state } = this.#mailbox;
    const total = options.total ?? state.terms.chain.withdrawn[state.side] + amount;
    await options.onTotal?.(total);
    const newest = context.chain.newestTime();
    const deadline = maxAmount(
      newest + WITHDRAWAL_SECONDS,
      liveWithdrawal(this.#mailbox.state.terms, state.side)?.deadline ?? 0n,
    );
    const step = proposeWithdrawal(this.#mailbox.state, total, deadline, newest, context.ports);
    if (!step.ok) throw new NodeError(step);
    const { session } = this.#mailbox;
    if (session === undefined) {
      throw new NodeError({ code: "peer_offline", fields: { peer: this.#mailbox.peer } });
    }
    await this.#mailbox.commit(step.state, [], true);
    this.#propose(session, step.withdrawal);
    await this.#paid(step.withdrawal, options);
  }

  /**
   * Joins a withdrawal up to `total` that was proposed before, perhaps by an earlier process. False if there is none:
   * it was never proposed, or it lapsed.
   */
  async joined(total: bigint, options: WithdrawOptions): Promise<boolean> {
    const { terms, side } = this.#mailbox.state;
    if (terms.chain.withdrawn[side] >= total) return true;
    const live = liveWithdrawal(terms, side);
    if (live?.total !== total) return false;
    await this.#paid(live, options);
    return true;
  }

  /** Resolves once the chain paid what was proposed. */
  async #paid({ total, deadline }: LiveWithdrawal, { signal, onProgress }: WithdrawOptions): Promise<void> {
    const { context, channelId } = this.#mailbox;
    onProgress({ step: "signing", channelId, until: deadline });
    const refused = new AbortController();
    this.#refused = refused;
    const unlisten = this.#mailbox.chainSide.listen((action, progress) => {
      if (action === "withdraw") onProgress({ step: "withdraw", channelId, progress, until: deadline });
    });
    const over = await this.#mailbox
      .until(
        ({ terms, side }) =>
          terms.chain.withdrawn[side] >= total || liveWithdrawal(terms, side) === undefined,
        AbortSignal.any([signal, refused.signal]),
      )
      .finally(unlisten);
    if (over.terms.chain.withdrawn[over.side] >= total) {
      onProgress({ step: "withdrawn", channelId });
      return;
    }
    context.log.info({ channelId, total: String(total) }, "a withdrawal lapsed");
    throw new NodeError({ code: "withdrawal_lapsed", fields: { deadline } });
  }

  /** A new session: what still waits for a signature in the durable `state` is proposed again, byte for byte. */
  resume(session: PeerSession, state: ChannelState): void {
    const live = liveWithdrawal(state.terms, state.side);
    if (live !== undefined && live.signatures[otherSide(state.side)].length === 0)
      this.#propose(session, live);
  }

  /** The other side will not sign. What we proposed still counts until its deadline: it might have signed in secret. */
  receiveRefuse(reason: string): void {
    this.#refused?.abort(new NodeError({ code: "withdrawal_refused", fields: { reason } }));
  }

  async receive(message: WithdrawMessage, session: PeerSession): Promise<void> {
    const { state, context } = this.#mailbox;
    const answer = message.kind === "withdrawSign";
    const step = answer
      ? receiveWithdrawalSignature(state, message, context.ports)
      : signWithdrawal(state, message, context.chain.newestTime(), context.ports);
    if (!step.ok) {
      this.#mailbox.refuse(step, session);
      if (!answer)
        session.send({ kind: "refuse", channelId: this.#mailbox.channelId, code: step.code, fields: {} });
      return;
    }
    await this.#mailbox.commit(step.state, [], true);
    if (answer) {
      this.publishAgreed();
      return;
    }
    session.send(this.#message("withdrawSign", step.withdrawal, step.withdrawal.signatures[state.side]));
  }

  /** Brings our countersigned withdrawal on chain, or makes sure that it is on its way. */
  publishAgreed(): void {
    const { state, context, chainSide } = this.#mailbox;
    const live = liveWithdrawal(state.terms, state.side);
    if (live === undefined || live.signatures[0].length === 0 || live.signatures[1].length === 0) return;
    if (state.terms.chain.withdrawn[state.side] >= live.total) return;
    const { channel } = state.terms;
    const participant = participantOf(channel, state.side);
    const call = context.escrow.withdraw(channel, participant, live.total, live.deadline, live.signatures);
    chainSide.publish(`withdraw/${live.total}/${live.deadline}`, call, live.deadline);
  }

  #propose(session: PeerSession, live: LiveWithdrawal): void {
    session.send(this.#message("withdrawPropose", live, live.signatures[this.#mailbox.state.side]));
  }

  #message(kind: WithdrawMessage["kind"], live: LiveWithdrawal, signature: Uint8Array): WithdrawMessage {
    const { channelId, state } = this.#mailbox;
    const participant = participantOf(state.terms.channel, live.beneficiary);
    return { kind, channelId, participant, total: live.total, deadline: live.deadline, signature };
  }
}

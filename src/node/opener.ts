import { randomBytes } from "node:crypto";
import { failureOf } from "../chain/error.ts";
import { orAborted } from "../chain/wait.ts";
import type { PeerSession } from "../p2p/session.ts";
import {
  type Address,
  type Channel,
  type ChannelId,
  channelIdOf,
  checkChannel,
  otherSide,
  sideOf,
  signerOf,
  viewOf,
  ZERO_ADDRESS,
} from "../protocol/index.ts";
import type { Op } from "../store/store.ts";
import {
  type AcceptChannelMessage,
  NO_LOCKS,
  type OpenChannelMessage,
  type RefuseMessage,
} from "../wire/message.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { Depositor } from "./depositor.ts";
import { NodeError } from "./error.ts";
import { depositIntent, OPENING_DEPOSIT } from "./intentNames.ts";
import { DEFAULT_CHALLENGE_PERIODS, DEFAULT_PENDING_PER_PEER, type OpenPolicy } from "./options.ts";
import { MAX_PENDING, Pending } from "./pending.ts";
import { Pledges, pledgeOp } from "./pledges.ts";
import { type OpenProgress, unfailing } from "./progress.ts";

/** How long the other side may think about a proposal: it reads the chain once. */
const ANSWER_PATIENCE_MS = 30_000;

export interface OpenOptions {
  /** Default: the native coin. */
  readonly token?: Address;
  /** What this node deposits, in the token's base unit. */
  readonly deposit: bigint;
  /** What the other side is asked to deposit. It may deposit less. Default 0. */
  readonly requestDeposit?: bigint;
  /** Seconds. Default: one day. */
  readonly challengePeriod?: number;
  /**
   * Awaited once both sides have agreed, before the deposit leaves: whoever must find the channel again after a crash
   * notes it here. A rejection ends the opening, with nothing deposited.
   */
  readonly onAgreed?: (channelId: ChannelId) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: OpenProgress) => void;
}

export type FinishOptions = Pick<OpenOptions, "deposit" | "signal" | "onProgress">;

/**
 * Promises of ours to strangers that may be open: a pledged channel is not forgotten to make room, so that pledges
 * must leave some.
 */
export const MAX_PLEDGED = MAX_PENDING / 2;

/** A day: a node that is down over night still answers a cheat. */
const PROPOSED_CHALLENGE_PERIOD = 24 * 3600;

interface Proposal {
  readonly session: PeerSession;
  readonly channel: Channel;
  readonly answer: PromiseWithResolvers<Accepted>;
}

interface Accepted {
  readonly mailbox: ChannelMailbox;
  /** What the other side will deposit. */
  readonly theirs: bigint;
}

/** Opens channels: propose → accept → deposit → confirmed by both. */
export class Opener {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #policy: OpenPolicy;
  readonly depositor: Depositor;
  readonly pledges: Pledges;
  readonly pending: Pending;
  readonly #proposals = new Map<ChannelId, Proposal>();
  /** Channels that our application is opening, until they can pay. */
  readonly #opening = new Set<ChannelId>();

  readonly #exposureLimit: (peer: Address, token: Address) => bigint | undefined;

  /** `exposureLimit`: most of our own money in one channel; undefined: any. */
  constructor(
    context: NodeContext,
    channels: Channels,
    policy: OpenPolicy,
    exposureLimit: (peer: Address, token: Address) => bigint | undefined = () => undefined,
  ) {
    this.#exposureLimit = exposureLimit;
    this.#context = context;
    this.#channels = channels;
    this.#policy = policy;
    this.depositor = new Depositor(context);
    this.pledges = new Pledges(context, this.depositor);
    const ours = () => new Set([...this.#opening, ...this.depositor.channelsUnderWay()]);
    this.pending = new Pending({ context, channels, pledges: this.pledges, ours });
  }

  /**
   * Opens a channel with the peer of `session` and resolves once it can pay: the deposit is confirmed and the
   * other side counts it. Rejects with a coded error; after `accepted` the deposit may be under way and
   * `node.deposit` takes it up again.
   */
  async open(session: PeerSession, options: OpenOptions): Promise<ChannelMailbox> {
    const onProgress = unfailing(options.onProgress);
    const signal = AbortSignal.any([this.#context.stopping, ...(options.signal ? [options.signal] : [])]);
    const channel = this.#propose(session, options);
    const channelId = this.#idOf(channel);
    const refused = checkChannel(channel);
    if (refused !== undefined) throw new NodeError(refused);
    const deposit = depositIntent(channelId, OPENING_DEPOSIT);
    const release = await this.#context.reservations.take(deposit, channel.token, options.deposit, signal);
    this.#opening.add(channelId);
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_PATIENCE_MS)]);
      const answer = this.#ask(session, channelId, channel, options, patience);
      onProgress({ step: "proposed", channelId });
      const { mailbox, theirs } = await answer;
      onProgress({ step: "accepted", channelId });
      await options.onAgreed?.(channelId);
      await this.#finish(mailbox, theirs, options, release);
      return mailbox;
    } finally {
      release();
      this.#opening.delete(channelId);
    }
  }

  /** Deposits for an agreed channel, once for ever, and resolves when it can pay and the other side counts `theirs`. */
  async finish(mailbox: ChannelMailbox, theirs: bigint, options: FinishOptions): Promise<void> {
    this.#opening.add(mailbox.channelId);
    try {
      await this.#finish(mailbox, theirs, options);
    } finally {
      this.#opening.delete(mailbox.channelId);
    }
  }

  /** `onDeposited`: once the deposit is over, whatever came of it. */
  async #finish(
    mailbox: ChannelMailbox,
    theirs: bigint,
    options: FinishOptions,
    onDeposited = () => {},
  ): Promise<void> {
    const { channelId } = mailbox;
    const { side } = mailbox.state;
    const onProgress = unfailing(options.onProgress);
    const signal = AbortSignal.any([this.#context.stopping, ...(options.signal ? [options.signal] : [])]);
    const deposit = { signal, onProgress, name: OPENING_DEPOSIT };
    await this.depositor.deposit(mailbox, options.deposit, deposit).finally(onDeposited);
    onProgress({ step: "crediting", channelId });
    await mailbox.until(
      ({ terms }) =>
        terms.phase === "open" &&
        terms.credited.deposits[side] >= options.deposit &&
        terms.announced.deposits[otherSide(side)] >= theirs,
      signal,
    );
    onProgress({ step: "open", channelId });
  }

  async receiveOpen(message: OpenChannelMessage, session: PeerSession): Promise<void> {
    const channelId = this.#idOf(message.channel);
    const known = this.#channels.peerOf(channelId);
    const reason = known === undefined ? await this.#objection(message, channelId, session) : undefined;
    if (reason !== undefined || (known !== undefined && known !== session.remote.signer)) {
      const fields = { detail: reason ?? "another peer has this channel" };
      session.send({ kind: "refuse", channelId, code: "channel_refused", fields });
      return;
    }
    // The peer may have left while we looked at the chain, and be back on another session with the same proposal.
    if (session.closed.aborted) return;
    const agreed = this.#channels.has(channelId);
    const deposit = agreed ? (this.pledges.get(channelId)?.ours ?? 0n) : this.#matching(message, session);
    const mailbox = agreed
      ? await this.#channels.load(channelId)
      : await this.#accept(channelId, message, deposit);
    if (agreed) await this.#context.committer.flush(); // its record may still be on its way to the disk
    session.send({ kind: "acceptChannel", channelId, deposit, lockLimits: NO_LOCKS });
    await mailbox.establisher.tell(session);
  }

  /** Remembers the channel before anything else of this session is read: the next message may be about it. */
  async receiveAccept({ channelId, deposit }: AcceptChannelMessage, session: PeerSession): Promise<void> {
    const proposal = this.#proposals.get(channelId);
    if (proposal === undefined || proposal.session !== session || this.#channels.has(channelId)) return;
    const mailbox = await this.#create(channelId, proposal.channel);
    proposal.answer.resolve({ mailbox, theirs: deposit });
    await mailbox.establisher.tell(session);
  }

  /** True if it answered a proposal of ours. */
  receiveRefuse(message: RefuseMessage, session: PeerSession): boolean {
    const proposal = this.#proposals.get(message.channelId);
    if (proposal === undefined || proposal.session !== session) return false;
    const fields = { reason: message.code, detail: message.fields.detail ?? "" };
    proposal.answer.reject(new NodeError({ code: "channel_refused", fields }));
    return true;
  }

  onSessionClosed(session: PeerSession): void {
    for (const { session: asked, answer } of this.#proposals.values()) {
      if (asked !== session) continue;
      answer.reject(new NodeError({ code: "peer_offline", fields: { peer: session.remote.signer } }));
    }
  }

  /** Why we do not want this channel, or undefined. */
  async #objection(
    message: OpenChannelMessage,
    channelId: ChannelId,
    session: PeerSession,
  ): Promise<string | undefined> {
    const { channel } = message;
    const { account, signer } = this.#context;
    const invalid = checkChannel(channel);
    if (invalid !== undefined) return invalid.code;
    const side = sideOf(channel, account);
    if (side === undefined) return "neither participant is this node's account";
    if (signerOf(channel, side) !== signer) return "the named signer is not this node's";
    if (signerOf(channel, otherSide(side)) !== session.remote.signer)
      return "the other signer is not the sender";
    const { least, most } = this.#policy.challengePeriod ?? DEFAULT_CHALLENGE_PERIODS;
    const period = channel.challengePeriod;
    if (period < least || period > most)
      return `challenge period ${period} is not within ${least} to ${most}`;
    const { tokens } = this.#policy;
    if (tokens !== undefined && !tokens.includes(channel.token)) return "this token is not accepted";
    const leastDeposit = this.#policy.leastDeposit ?? 0n;
    if (message.deposit < leastDeposit) return `the deposit is below ${leastDeposit}`;
    if (
      this.pending.countOf(session.remote.signer) >= (this.#policy.pendingPerPeer ?? DEFAULT_PENDING_PER_PEER)
    ) {
      return "too many channels of this peer wait for their first deposit";
    }
    return this.#objectionOfChain(channelId, channel, session);
  }

  /** What needs a look at the chain. That it does not answer is no failure of ours, and not the peer's. */
  async #objectionOfChain(
    channelId: ChannelId,
    channel: Channel,
    session: PeerSession,
  ): Promise<string | undefined> {
    const { chain, stopping } = this.#context;
    try {
      // A tombstone would make every deposit revert, a foreign open channel would not be ours to judge.
      const { newest } = await chain.read(channelId, channel, stopping);
      if (newest.status !== "none") return "this channel is on chain already";
      if (await this.pending.makeRoom(session.remote.signer)) return undefined;
      return "too many channels wait for their first deposit";
    } catch (error) {
      if (failureOf(error) === undefined) throw error;
      return "this node cannot read the chain now";
    }
  }

  /** What we promise to deposit: to strangers only while few enough hold such promises. */
  #matching({ requestedDeposit, channel }: OpenChannelMessage, { remote }: PeerSession): bigint {
    const { mostMatchingDeposit = 0n } = this.#policy;
    const matching =
      typeof mostMatchingDeposit === "bigint"
        ? mostMatchingDeposit
        : (mostMatchingDeposit[channel.token] ?? 0n);
    const exposure = this.#exposureLimit(remote.signer, channel.token) ?? matching;
    const most = exposure < matching ? exposure : matching;
    if (this.pledges.size >= MAX_PLEDGED && !this.#channels.hasFunded(remote.signer)) return 0n;
    return requestedDeposit < most ? requestedDeposit : most;
  }

  #propose(session: PeerSession, options: OpenOptions): Channel {
    const { account, signer } = this.#context;
    const { participant, signer: theirs } = session.remote;
    const first = account < participant;
    const named = (owner: Address, key: Address) => (owner === key ? ZERO_ADDRESS : key);
    return {
      participant0: first ? account : participant,
      participant1: first ? participant : account,
      signer0: first ? named(account, signer) : named(participant, theirs),
      signer1: first ? named(participant, theirs) : named(account, signer),
      token: options.token ?? ZERO_ADDRESS,
      challengePeriod: options.challengePeriod ?? PROPOSED_CHALLENGE_PERIOD,
      salt: viewOf(randomBytes(8)).getBigUint64(0),
    };
  }

  async #ask(
    session: PeerSession,
    channelId: ChannelId,
    channel: Channel,
    options: OpenOptions,
    patience: AbortSignal,
  ): Promise<Accepted> {
    const answer = Promise.withResolvers<Accepted>();
    this.#proposals.set(channelId, { session, channel, answer });
    try {
      session.send({
        kind: "openChannel",
        channel,
        deposit: options.deposit,
        requestedDeposit: options.requestDeposit ?? 0n,
        lockLimits: NO_LOCKS,
      });
      return await orAborted(answer.promise, patience);
    } finally {
      this.#proposals.delete(channelId);
    }
  }

  /** Remembers the channel and what we promise to deposit in it, in one batch. */
  async #accept(id: ChannelId, { channel, deposit: theirs }: OpenChannelMessage, ours: bigint) {
    if (ours === 0n) return this.#create(id, channel);
    const pledge = { ours, theirs };
    const mailbox = await this.#create(id, channel, [pledgeOp(id, pledge)]);
    this.pledges.keep(mailbox, pledge);
    return mailbox;
  }

  #create(channelId: ChannelId, channel: Channel, ops: Op[] = []): Promise<ChannelMailbox> {
    return this.#channels.create(channelId, channel, sideOf(channel, this.#context.account)!, ops);
  }

  #idOf(channel: Channel): ChannelId {
    const { chainId, escrow, ports } = this.#context;
    return channelIdOf(channel, chainId, escrow.address, ports.crypto.keccak256);
  }
}

import { EventEmitter } from "node:events";
import type { PeerHost } from "../p2p/host.ts";
import type { PeerSession } from "../p2p/session.ts";
import { type Address, type ChannelId, otherSide, ZERO_ADDRESS } from "../protocol/index.ts";
import { decodeUpdate } from "../store/channelRecord.ts";
import { updateRange } from "../store/keys.ts";
import type { Backup } from "./backup/backup.ts";
import type { Books } from "./books/books.ts";
import type { ChainStatus } from "./chainSync.ts";
import type { BatchReceipt } from "./channel/batchOutcome.ts";
import type { CloseOptions } from "./channel/closer.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import { type ChannelInfo, infoOf } from "./channelInfo.ts";
import type { Channels, ListOptions } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";
import type { NodeEvents } from "./events.ts";
import type { GasWallet, GasWalletStatus } from "./gasWallet.ts";
import type { History } from "./history/history.ts";
import { depositIntent, OPENING_DEPOSIT } from "./intentNames.ts";
import type { SpendingGate } from "./limits/gate.ts";
import type { FinishOptions, Opener, OpenOptions } from "./opener.ts";
import type { Overview } from "./overview.ts";
import type { PaidOnce } from "./paidOnce.ts";
import { PaymentBatch, type PaymentOrder, type Receipt } from "./payment.ts";
import type { FetchOptions, PayoutFetcher } from "./payouts/payoutFetcher.ts";
import type { FetchedPayout, PayoutOrder } from "./payouts/payoutOrder.ts";
import type { Payouts, WaitingPayout } from "./payouts/payouts.ts";
import {
  type DepositProgress,
  type PayoutProgress,
  type SendProgress,
  unfailing,
  type WithdrawProgress,
} from "./progress.ts";
import type { Quote, QuoteOrder, Quotes } from "./quotes.ts";
import type { Records } from "./records.ts";
import type { Requests } from "./requests/requests.ts";
import type { Sender, SendOptions as SenderOptions } from "./sends/sender.ts";
import type { SendOrder, Sent } from "./sends/sendOrder.ts";
import type { TokenInfo, Wallet } from "./wallet.ts";

export type { ChannelInfo } from "./channelInfo.ts";

interface WaitOptions {
  readonly signal?: AbortSignal;
}

interface ProgressOptions<Progress> extends WaitOptions {
  readonly onProgress?: (progress: Progress) => void;
}

interface DepositOptions extends ProgressOptions<DepositProgress> {
  /** Makes it one deposit for ever, however often it is asked for under this name on this channel. */
  readonly name?: string;
}

interface WithdrawOptions extends ProgressOptions<WithdrawProgress> {
  /** Withdraws up to this cumulative total instead of `amount` more: asked for again, it is the same withdrawal. */
  readonly total?: bigint | undefined;
  /** Awaited with the cumulative total before anything is signed. */
  readonly onTotal?: (total: bigint) => Promise<void>;
}

type WithdrawPayoutOptions = ProgressOptions<PayoutProgress> & Pick<FetchOptions, "name" | "admit">;

type SendOptions = ProgressOptions<SendProgress> & Pick<SenderOptions, "name" | "admit">;

export interface NodeParts {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly opener: Opener;
  readonly sender: Sender;
  readonly fetcher: PayoutFetcher;
  readonly host: PeerHost;
  readonly paidOnce: PaidOnce;
  readonly spending: SpendingGate;
  readonly books: Books;
  readonly quotes: Quotes;
  readonly wallet: Wallet;
  readonly gasWallet: GasWallet;
  readonly payouts: Payouts;
  readonly overview: Overview;
  readonly requests: Requests;
  readonly backup: Backup;
  /** Ends everything in the right order. */
  readonly stop: () => Promise<void>;
}

/** A running node: opens channels, pays, is paid, settles. Made by `createNode`. */
export class RivuletNode extends EventEmitter<NodeEvents> {
  readonly #parts: NodeParts;

  constructor(connect: (node: RivuletNode) => NodeParts) {
    super();
    this.#parts = connect(this);
  }

  /** Owns this node's deposits and pays its gas. */
  get account(): Address {
    return this.#parts.context.account;
  }

  /** Signs this node's payments. */
  get signer(): Address {
    return this.#parts.context.signer;
  }

  /** JSON records of whatever stands on this node, in its database. */
  get records(): Records {
    return this.#parts.context.records;
  }

  /** Pays for others within budgets, limits and alarms: the way of everything that pays by access token. */
  get spending(): SpendingGate {
    return this.#parts.spending;
  }

  /** Double-entry books of everything this node was paid, paid and moved. */
  get books(): Books {
    return this.#parts.books;
  }

  /** What happened on this node: events, payments, labels. Recorded with the option `eventLog`. */
  get history(): History {
    return this.#parts.context.history;
  }

  /** Aborted when a stop was asked for, or when something happened after which nothing may be signed. */
  get stopping(): AbortSignal {
    return this.#parts.context.stopping;
  }

  /** What an operator looks at: the chain, the peers, sums over all channels. */
  get overview(): Overview {
    return this.#parts.overview;
  }

  /** Writes backups; tells what a restored database has got back. */
  get backup(): Backup {
    return this.#parts.backup;
  }

  /** Payment requests: makes ours, pays those of others. */
  get requests(): Requests {
    return this.#parts.requests;
  }

  /** Multiaddrs others can connect to. */
  get addresses(): readonly string[] {
    return this.#parts.host.addresses();
  }

  /** Connects to a peer and stays connected, with backoff. Resolves with its signer once it proved itself. */
  async connect(address: string, { signal }: WaitOptions = {}): Promise<Address> {
    const session = await this.#session(address, signal);
    return session.remote.signer;
  }

  /** Connects to a peer and again whenever the session ends, for as long as the node runs. Returns at once. */
  keepConnected(address: string): void {
    this.#parts.host.keepConnected(address);
  }

  /** Stops keeping `addresses` connected and ends the session with `signer`, if there is one. */
  async disconnect(signer: Address, addresses: readonly string[] = []): Promise<void> {
    const { host } = this.#parts;
    for (const address of addresses) host.keepConnected(address)();
    await host.session(signer)?.close();
  }

  /**
   * Opens a channel with the node at a multiaddr, or with a connected signer. Resolves once it can pay: two
   * transactions at most (approval, deposit) and the configured confirmations. Rejects with `wallet_insufficient` before
   * the peer is asked when the account does not hold the deposit beside what is under way.
   */
  async openChannel(options: OpenOptions & { readonly peer: string }): Promise<ChannelInfo> {
    const session = await this.#session(options.peer, options.signal);
    const { signer } = session.remote;
    this.#parts.spending.checkExposure(signer, options.token ?? ZERO_ADDRESS, options.deposit);
    const mailbox = await this.#parts.opener.open(session, options);
    return infoOf(mailbox.state, mailbox.session !== undefined);
  }

  /**
   * Takes up an opening that an earlier process agreed on (`onAgreed`) and may or may not have deposited for: the
   * deposit is made once, whatever happened before. Rejects with `channel_unknown` when the agreement was forgotten,
   * which is only done while nothing was deposited.
   */
  async finishOpening(channelId: ChannelId, options: FinishOptions): Promise<ChannelInfo> {
    const mailbox = await this.#parts.channels.load(channelId);
    await this.#parts.opener.finish(mailbox, 0n, options);
    return infoOf(mailbox.state, mailbox.session !== undefined);
  }

  /**
   * Adds `amount` to our deposit; resolves once the other side counts it. Rejects with `wallet_insufficient`, before any
   * transaction, when the account does not hold it beside what is under way.
   */
  async deposit(channelId: ChannelId, amount: bigint, options: DepositOptions = {}): Promise<void> {
    const mailbox = await this.#parts.channels.load(channelId);
    const { peer, state } = mailbox;
    const { token } = state.terms.channel;
    const onProgress = unfailing(options.onProgress);
    const signal = this.#signal(options.signal);
    const total = await this.#parts.opener.depositor.deposit(mailbox, amount, {
      signal,
      onProgress,
      name: options.name,
      assertAllowed: (ours) => this.#parts.spending.checkExposure(peer, token, ours),
    });
    onProgress({ step: "crediting", channelId });
    const { side } = mailbox.state;
    // The other side may have read the chain before this one.
    await mailbox.until(
      ({ terms }) => terms.credited.deposits[side] >= total && terms.chain.deposits[side] >= total,
      signal,
    );
  }

  /**
   * Pays once. Resolves when the payee holds the payment durably: from then on it is final, whatever crashes.
   * Rejects with a coded `NodeError` if nothing was paid. While the peer is away it waits, until `signal` aborts.
   * With an `id` it is idempotent for ever: the same id again on this channel returns the first result.
   */
  async pay(order: PaymentOrder & WaitOptions & { readonly channelId: ChannelId }): Promise<Receipt> {
    const mailbox = await this.#connected(order.channelId, order.signal);
    return order.id === undefined
      ? mailbox.payer.pay(order)
      : this.#parts.paidOnce.pay(mailbox, order, order.id);
  }

  /** Pays many with one promise: the way for streams and benchmarks. All are accepted, or none. */
  async payMany(
    channelId: ChannelId,
    orders: readonly PaymentOrder[],
    { signal }: WaitOptions = {},
  ): Promise<BatchReceipt> {
    const mailbox = await this.#connected(channelId, signal);
    const named = orders.some(({ id }) => id !== undefined);
    return named ? this.#parts.paidOnce.payMany(mailbox, orders) : mailbox.payer.payMany(orders);
  }

  /**
   * Payments received on a channel, oldest first, from behind update `after`: what `payment` events told, and what
   * a crash kept them from telling.
   */
  async *received(
    channelId: ChannelId,
    { after = 0n, signal }: WaitOptions & { readonly after?: bigint } = {},
  ): AsyncGenerator<PaymentBatch> {
    const mailbox = await this.#parts.channels.load(channelId);
    const { state } = mailbox;
    const range = updateRange(state.idBytes, otherSide(state.side), after + 1n, state.accepted + 1n);
    for await (const [, value] of this.#parts.context.store.range({
      ...range,
      signal: this.#signal(signal),
    })) {
      yield new PaymentBatch(mailbox, decodeUpdate(value));
    }
  }

  /**
   * Sends money of the account to an address; resolves once confirmed. With a `name` it is one send for ever. Throws
   * `destination_refused`, `wallet_insufficient`, `gas_reserve_needed`, `send_uncertain` or `transaction_failed`.
   */
  send(order: SendOrder, { signal, onProgress, ...options }: SendOptions = {}): Promise<Sent> {
    const told = unfailing(onProgress);
    return this.#parts.sender.send(order, { ...options, signal: this.#signal(signal), onProgress: told });
  }

  /** Whether a send's transaction was ever signed under this name. */
  hasSigned(name: string): Promise<boolean> {
    return this.#parts.sender.knows(name);
  }

  /** Whether a deposit's transaction was ever signed under this name; without one, the deposit of the opening. */
  hasDeposited(channelId: ChannelId, name: string = OPENING_DEPOSIT): Promise<boolean> {
    return this.#parts.context.chain.knows(depositIntent(channelId, name));
  }

  /**
   * Fetches all of one token that the escrow keeps for the account because its payout was refused, to the account or to
   * the address `to`; resolves once confirmed, with the amount in base units. With a `name` it is one transaction for
   * ever. Throws `payout_none`, `payout_refused` when it is refused again, `destination_refused`, `wallet_insufficient`,
   * `gas_reserve_needed`, `option_invalid` when the name stands for another, or `transaction_failed`.
   */
  withdrawPayout(
    { to = this.account, ...order }: Omit<PayoutOrder, "to"> & { readonly to?: Address },
    { signal, onProgress, ...options }: WithdrawPayoutOptions = {},
  ): Promise<FetchedPayout> {
    const told = unfailing(onProgress);
    const given = { ...options, signal: this.#signal(signal), onProgress: told };
    return this.#parts.fetcher.fetch({ ...order, to }, given);
  }

  /** Whether the transaction of {@link withdrawPayout} was ever signed under this name. */
  hasSignedPayout(name: string): Promise<boolean> {
    return this.#parts.fetcher.knows(name);
  }

  /** Withdraws `amount` from an open channel with the other side's consent; resolves once the chain paid it. */
  async withdraw(channelId: ChannelId, amount: bigint, options: WithdrawOptions = {}): Promise<void> {
    const mailbox = await this.#parts.channels.load(channelId);
    const signal = this.#signal(options.signal);
    const onProgress = unfailing(options.onProgress);
    const { total, onTotal } = options;
    if (total !== undefined && (await mailbox.withdrawer.joined(total, { signal, onProgress }))) return;
    if (mailbox.session === undefined) onProgress({ step: "connecting", channelId });
    await mailbox.connected(signal);
    await mailbox.withdrawer.withdraw(amount, { signal, onProgress, total, onTotal });
  }

  /** Closes a channel and resolves with what the chain paid out, once confirmed. */
  async close(channelId: ChannelId, options: CloseOptions = {}): Promise<ChannelInfo> {
    const mailbox = await this.#parts.channels.load(channelId);
    const onProgress = unfailing(options.onProgress);
    const signal = this.#signal(options.signal);
    const state = await mailbox.closer.close({ ...options, signal, onProgress });
    return infoOf(state, mailbox.session !== undefined);
  }

  async channel(channelId: ChannelId): Promise<ChannelInfo> {
    const mailbox = await this.#parts.channels.load(channelId);
    return infoOf(mailbox.state, mailbox.session !== undefined);
  }

  /** Resolves once both sides have re-established the channel on a live session. */
  async ready(channelId: ChannelId, { signal }: WaitOptions = {}): Promise<void> {
    await (await this.#parts.channels.load(channelId)).connected(this.#signal(signal));
  }

  /** Channels by id, from behind `after`, with `peer` if given: read one by one, so that ten thousand cost little. */
  channels(options: ListOptions = {}): AsyncGenerator<ChannelInfo> {
    return this.#parts.channels.list({ ...options, signal: this.#signal(options.signal) });
  }

  /** What an order would cost now; sends nothing. */
  quote(order: QuoteOrder, { signal }: WaitOptions = {}): Promise<Quote> {
    return this.#parts.quotes.quote(order, this.#signal(signal));
  }

  /** A token as it describes itself, safe to show, and what this node's account holds of it outside of channels. */
  tokenInfo(token: Address, { signal }: WaitOptions = {}): Promise<TokenInfo> {
    return this.#parts.wallet.tokenInfo(token, this.#signal(signal));
  }

  /** Whether the account can pay for the disputes that may come. Wei. */
  gasWallet({ signal }: WaitOptions = {}): Promise<GasWalletStatus> {
    return this.#parts.gasWallet.status(this.#signal(signal));
  }

  /**
   * What the escrow keeps for the account, by token, because a payout was refused: by a token that blocks the account, or
   * by an account that takes no native coin. Base units, as the chain told last; asks nothing.
   */
  waitingPayouts(): WaitingPayout[] {
    return this.#parts.payouts.waiting();
  }

  /** How the node and the chain stand to each other now; asks nothing. */
  chainStatus(): ChainStatus {
    return this.#parts.context.chain.status();
  }

  /** Stops: signs nothing more, makes everything durable, lets go of database, sockets and timers. */
  async stop(): Promise<void> {
    await this.#parts.stop();
  }

  async #connected(channelId: ChannelId, signal: AbortSignal | undefined): Promise<ChannelMailbox> {
    const { channels } = this.#parts;
    const mailbox = channels.peek(channelId) ?? (await channels.load(channelId));
    if (mailbox.session === undefined) await mailbox.connected(this.#signal(signal));
    return mailbox;
  }

  async #session(peer: string, signal: AbortSignal | undefined): Promise<PeerSession> {
    const { host } = this.#parts;
    if (peer.startsWith("/")) {
      const session = await host.connect(peer, { signal: this.#signal(signal) });
      host.keepConnected(peer);
      return session;
    }
    const session = host.session(peer.toLowerCase() as Address);
    if (session === undefined) throw new NodeError({ code: "peer_offline", fields: { peer } });
    return session;
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const { stopping } = this.#parts.context;
    return signal === undefined ? stopping : AbortSignal.any([stopping, signal]);
  }
}

import { type ChannelId, cannotSend, otherSide, readTransfers } from "../../protocol/index.ts";
import { decodeUpdate } from "../../store/channelRecord.ts";
import { updateKey } from "../../store/keys.ts";
import type { ChannelMailbox } from "../channel/mailbox.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import { NodeError } from "../error.ts";
import type { PaidOnce } from "../paidOnce.ts";
import type { OutgoingOrder } from "../payment.ts";
import type { RecordEntry } from "../records.ts";
import { parseRefundKey, refundOrder, type StoredRefunds } from "./refund.ts";
import { NAMESPACE } from "./requestRecord.ts";

/** How often it is looked whether what kept a refund from being paid is over. */
const RETRY_MS = 5_000;

/**
 * Gives wrong payments back: those of one update together, in one update of ours, so that a flood costs its sender
 * what it costs us. What is owed is in the records from the batch that stored the payment until ours is held by the
 * peer; only which channels owe is in memory.
 */
export class Refunder {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #paidOnce: PaidOnce;
  readonly #owing = new Set<ChannelId>();
  readonly #running = new Set<ChannelId>();
  /** Something came while the channel's refunds were at work: looked at once more. */
  readonly #again = new Set<ChannelId>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: NodeContext, channels: Channels, paidOnce: PaidOnce) {
    this.#context = context;
    this.#channels = channels;
    this.#paidOnce = paidOnce;
  }

  /** Takes up what an earlier process owed: paid once its channels are re-established. Before peers are met. */
  async open(): Promise<void> {
    const { records, stopping } = this.#context;
    for await (const { key } of records.list(NAMESPACE.refund, { signal: stopping })) {
      this.#owing.add(parseRefundKey(key).channelId);
    }
    this.#timer = setInterval(() => this.#retry(), RETRY_MS).unref();
    stopping.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
  }

  /** Payments on this channel are to be given back; the records say which. */
  owe(channelId: ChannelId): void {
    this.#owing.add(channelId);
    this.#kick(channelId);
  }

  /** Both sides have compared notes: what was sent before is known, the rest can be. */
  established(channelId: ChannelId): void {
    if (this.#owing.has(channelId)) this.#kick(channelId);
  }

  #retry(): void {
    for (const channelId of this.#owing) this.#kick(channelId);
  }

  #kick(channelId: ChannelId): void {
    if (this.#context.stopping.aborted) return;
    if (this.#running.has(channelId)) {
      this.#again.add(channelId);
      return;
    }
    this.#running.add(channelId);
    this.#run(channelId)
      .catch((error: unknown) => this.#failed(channelId, error))
      .finally(() => {
        this.#running.delete(channelId);
        if (this.#again.delete(channelId)) this.#kick(channelId);
      });
  }

  async #run(channelId: ChannelId): Promise<void> {
    const { records } = this.#context;
    const mailbox = await this.#channels.load(channelId);
    for (;;) {
      const { phase } = mailbox.state.terms;
      const over = phase === "closing" || phase === "settled";
      if (!over && (mailbox.session === undefined || cannotSend(mailbox.state) !== undefined)) return;
      const next = await this.#next(channelId);
      if (next === undefined) return;
      if (over) {
        await this.#giveUp(channelId, next);
        continue;
      }
      await this.#refund(mailbox, next);
      await records.delete(NAMESPACE.refund, next.key, { sync: false });
    }
  }

  /** The oldest update of which something is owed; none: the channel is off the list, in the turn that saw it. */
  async #next(channelId: ChannelId): Promise<RecordEntry<StoredRefunds> | undefined> {
    const prefix = `${channelId}/`;
    for await (const entry of this.#context.records.list<StoredRefunds>(NAMESPACE.refund, {
      prefix,
      limit: 1,
    })) {
      return entry;
    }
    this.#owing.delete(channelId);
    return undefined;
  }

  async #refund(mailbox: ChannelMailbox, { key, value }: RecordEntry<StoredRefunds>): Promise<void> {
    const { store, log } = this.#context;
    const { channelId, nonce } = parseRefundKey(key);
    const { state } = mailbox;
    const bytes = await store.get(updateKey(state.idBytes, otherSide(state.side), nonce));
    if (bytes === undefined) throw new Error(`update ${nonce} of ${channelId} is owed a refund and gone`);
    const orders = this.#orders(channelId, nonce, decodeUpdate(bytes).entries, value);
    await this.#paidOnce.payMany(mailbox, orders);
    log.info({ channelId, nonce, refunds: value.refunds }, "payments of no request of ours were given back");
  }

  #orders(
    channelId: ChannelId,
    nonce: bigint,
    entries: Uint8Array,
    { refunds }: StoredRefunds,
  ): OutgoingOrder[] {
    const wanted = new Set(refunds.map(([index]) => index));
    const { keccak256 } = this.#context.ports.crypto;
    const orders: OutgoingOrder[] = [];
    let index = 0;
    for (const transfer of readTransfers(entries)) {
      if (wanted.has(index)) orders.push(refundOrder(channelId, transfer, nonce, index, keccak256));
      index++;
    }
    return orders;
  }

  /** A channel that closes carries no refund. What was paid on it is kept, and the operator is told. */
  async #giveUp(channelId: ChannelId, { key, value }: RecordEntry<StoredRefunds>): Promise<void> {
    const { records, committer, emit } = this.#context;
    const ops = [records.putOp(NAMESPACE.unrefunded, key, value), records.deleteOp(NAMESPACE.refund, key)];
    await committer.commit(ops, { sync: false });
    const { nonce } = parseRefundKey(key);
    const message = `${value.refunds.length} payments of update ${nonce} paid no request and cannot be given back: the channel closed`;
    emit("warning", { code: "refund_impossible", message, channelId });
  }

  /** What the ledger refuses now may be possible later; what the node refuses is tried again after its restart. */
  #failed(channelId: ChannelId, error: unknown): void {
    if (this.#context.stopping.aborted) return;
    if (!(error instanceof NodeError)) {
      this.#context.fail(error);
      return;
    }
    this.#context.log.warn({ error, channelId }, "a refund waits");
  }
}

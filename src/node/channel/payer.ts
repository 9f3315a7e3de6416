import type { PeerSession } from "../../p2p/session.ts";
import {
  type ChannelState,
  cannotSend,
  MAX_UNACKNOWLEDGED,
  PAYMENT_ID_BYTES,
  PROOF_TOTAL_LIMIT,
  REFERENCE_BYTES,
  receiveAck,
  refuse,
  sendCapacity,
  sendUpdate,
  toHex,
  transferBytes,
  type Update,
} from "../../protocol/index.ts";
import { encodeUpdate } from "../../store/channelRecord.ts";
import { updateKey } from "../../store/keys.ts";
import type { Op } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import { MAX_QUEUED_BYTES, MAX_UPDATES_PER_TURN } from "../options.ts";
import type { OutgoingOrder, Receipt } from "../payment.ts";
import { BatchOutcome, type BatchReceipt } from "./batchOutcome.ts";
import type { ChannelMailbox } from "./mailbox.ts";
import { type Chunk, Outbox, type Ticket } from "./outbox.ts";
import { indexOps, PaymentIds } from "./paymentIds.ts";

/** Our direction of one channel: queue → sign → write → send → acknowledged. */
export class Payer {
  readonly #mailbox: ChannelMailbox;
  readonly #outbox: Outbox;
  readonly #ids = new PaymentIds();
  /** Sent and unacknowledged, ascending by nonce; at most the window. */
  readonly #inFlight: { readonly nonce: bigint; readonly tickets: readonly Ticket[] }[] = [];
  #signing = false;
  #scheduled = false;

  constructor(mailbox: ChannelMailbox) {
    this.#mailbox = mailbox;
    this.#outbox = new Outbox(mailbox.context.signEach);
  }

  /** Nothing waits to be signed or acknowledged. */
  get isIdle(): boolean {
    return this.#outbox.isEmpty && this.#inFlight.length === 0 && !this.#signing;
  }

  /** What could be paid right now on top of everything queued. */
  get available(): bigint {
    const capacity = sendCapacity(this.#mailbox.state) - this.#outbox.total;
    return capacity > 0n ? capacity : 0n;
  }

  /**
   * Queues one payment. Resolves when the payee holds it durably. Rejects with a coded error if nothing was paid.
   * A payment once queued is signed within the same turn and cannot be recalled.
   */
  pay(order: OutgoingOrder): Promise<Receipt> {
    this.#check([order]);
    return new Promise((resolve, reject) => {
      const paymentId = order.id ?? this.#ids.next().slice();
      const { channelId } = this.#mailbox;
      const chunk = this.#queue(order, paymentId);
      const index = chunk.count - 1;
      chunk.tickets.push({
        first: index,
        count: 1,
        paid: (nonce) => resolve({ channelId, nonce, index, paymentId: toHex(paymentId) }),
        failed: reject,
      });
      this.#schedule();
    });
  }

  /**
   * Queues many payments with one promise: the way for streams. All or none are accepted into the queue. Rejects with
   * `payments_partly_paid` if some were paid and others can no longer be.
   */
  payMany(orders: readonly OutgoingOrder[]): Promise<BatchReceipt> {
    this.#check(orders);
    const ids = new Uint8Array(orders.length * PAYMENT_ID_BYTES);
    return new Promise((resolve, reject) => {
      const outcome = new BatchOutcome(orders.length, ids, resolve, reject);
      let run: { chunk: Chunk; first: number; count: number } | undefined;
      const close = () => {
        if (run !== undefined) run.chunk.tickets.push(outcome.ticket(run.first, run.count));
      };
      let offset = 0;
      for (const order of orders) {
        const paymentId = order.id ?? this.#ids.next();
        ids.set(paymentId, offset);
        offset += PAYMENT_ID_BYTES;
        const chunk = this.#queue(order, paymentId);
        if (run?.chunk === chunk) {
          run.count++;
        } else {
          close();
          run = { chunk, first: chunk.count - 1, count: 1 };
        }
      }
      close();
      this.#schedule();
    });
  }

  /** Resolves when the payee holds update `nonce`: for a payment made before, perhaps by an earlier process. */
  acknowledged(nonce: bigint): Promise<void> {
    const { state, context, channelId } = this.#mailbox;
    if (nonce <= state.acknowledged) return Promise.resolve();
    if (context.stopping.aborted) return Promise.reject(stopped());
    const { chain, phase } = state.terms;
    if (phase === "settled") {
      if (nonce <= (chain.close?.recorded[state.side] ?? 0n)) return Promise.resolve();
      return Promise.reject(new NodeError({ code: "payment_unpaid", fields: { channelId, nonce } }));
    }
    return new Promise((resolve, reject) => {
      const ticket: Ticket = { first: 0, count: 0, paid: () => resolve(), failed: reject };
      const at = this.#inFlight.findIndex((sent) => sent.nonce >= nonce);
      const entry = { nonce, tickets: [ticket] };
      if (at === -1) this.#inFlight.push(entry);
      else this.#inFlight.splice(at, 0, entry);
    });
  }

  /** Takes an acknowledgement: it is written with the next commit, since reconnecting would tell it again. */
  receiveAck(nonce: bigint, session: PeerSession): void {
    const step = receiveAck(this.#mailbox.state, nonce);
    if (!step.ok) {
      this.#mailbox.refuse(step, session);
      return;
    }
    this.#mailbox.note(step.state);
    this.settleTo(step.state.acknowledged);
    this.#mailbox.advanceClose();
  }

  /** The payee holds everything up to `nonce`. */
  settleTo(nonce: bigint): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.nonce <= nonce) {
      const { tickets, nonce: paid } = this.#inFlight.shift()!;
      for (const ticket of tickets) ticket.paid(paid);
    }
    this.kick();
  }

  /** The channel settled on chain with `recorded` as our newest recorded nonce: the rest was never paid. */
  settleFinally(recorded: bigint): void {
    this.settleTo(recorded);
    for (const { nonce, tickets } of this.#inFlight.splice(0)) {
      const channelId = this.#mailbox.channelId;
      for (const ticket of tickets) {
        ticket.failed(new NodeError({ code: "payment_unpaid", fields: { channelId, nonce } }));
      }
    }
  }

  /** The channel takes no more payments: gives up what was queued and never signed. */
  failQueuedAsClosed(): void {
    const refused = cannotSend(this.#mailbox.state) ?? refuse("channel_stopped", {});
    for (const chunk of this.#outbox.take(Number.MAX_SAFE_INTEGER)) {
      for (const ticket of chunk.tickets) ticket.failed(new NodeError(refused));
    }
  }

  #failQueuedAsStale(): void {
    try {
      this.#mailbox.context.chain.assertFresh();
    } catch (error) {
      for (const chunk of this.#outbox.take(Number.MAX_SAFE_INTEGER)) {
        for (const ticket of chunk.tickets) ticket.failed(error as NodeError);
      }
    }
  }

  /** The node stops. What was signed stays signed: its outcome is found by id, or in the channel's totals, later. */
  stop(): void {
    const error = stopped();
    for (const chunk of this.#outbox.take(Number.MAX_SAFE_INTEGER)) {
      for (const ticket of chunk.tickets) ticket.failed(error);
    }
    for (const { tickets } of this.#inFlight.splice(0)) for (const ticket of tickets) ticket.failed(error);
  }

  /** Signs and sends what waits, as far as session, window and channel allow. */
  kick(): void {
    if (!this.#outbox.isEmpty && !this.#signing) void this.#run();
  }

  #check(orders: readonly OutgoingOrder[]): void {
    const { state, context } = this.#mailbox;
    // Whoever was still looking an id up when the node stopped would wait for ever.
    if (context.stopping.aborted) throw stopped();
    const refused = cannotSend(state);
    if (refused !== undefined) throw new NodeError(refused);
    context.chain.assertFresh();
    let total = 0n;
    let bytes = 0;
    for (const { amount, id, reference } of orders) {
      if (amount <= 0n || amount >= PROOF_TOTAL_LIMIT)
        throw new NodeError(refuse("amount_invalid", { amount }));
      if (id !== undefined && id.length !== PAYMENT_ID_BYTES) throw invalid("id", "16 bytes");
      if (reference !== undefined && reference.length !== REFERENCE_BYTES)
        throw invalid("reference", "32 bytes");
      total += amount;
      bytes += transferBytes(reference);
    }
    if (orders.length === 0) throw invalid("orders", "at least one");
    if (this.#outbox.bytes + bytes > MAX_QUEUED_BYTES) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_QUEUED_BYTES) } });
    }
    const { available } = this;
    if (total > available) throw new NodeError(refuse("insufficient_capacity", { available, needed: total }));
  }

  #queue(order: OutgoingOrder, paymentId: Uint8Array): Chunk {
    return this.#outbox.add({
      paymentId,
      amount: order.amount,
      reference: order.reference,
      applicationId: order.id !== undefined,
      refund: order.refund ?? false,
    });
  }

  /** Once per turn of the event loop: what all that was read in it queues shares a signature. */
  #schedule(): void {
    if (this.#scheduled || this.#signing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.kick();
    });
  }

  async #run(): Promise<void> {
    this.#signing = true;
    try {
      while (!this.#outbox.isEmpty && this.#mailbox.session !== undefined && this.#room() > 0) {
        await this.#turn(this.#mailbox.session);
      }
    } catch (error) {
      this.#mailbox.fail(error);
    } finally {
      this.#signing = false;
    }
    this.#mailbox.advanceClose();
  }

  #room(): number {
    const { sent, acknowledged } = this.#mailbox.state;
    return Math.min(MAX_UPDATES_PER_TURN, Number(MAX_UNACKNOWLEDGED - (sent.nonce - acknowledged)));
  }

  /** One turn: sign what is queued, write it, then send it. */
  async #turn(session: PeerSession): Promise<void> {
    const { context, channelId } = this.#mailbox;
    const { committer, stopping } = context;
    // Busy channels together must not exceed what the disk takes: a commit beyond its bounds would stop the node.
    while (!committer.hasRoom) await committer.room(stopping);
    if (this.#mailbox.session !== session) return;
    // What waited for room in the window may have outlived our knowledge of the chain.
    if (!context.chain.isFresh) return this.#failQueuedAsStale();
    const updates: Update[] = [];
    const ops: Op[] = [];
    let state = this.#mailbox.state;
    const time = Date.now();
    for (const chunk of this.#outbox.take(this.#room())) {
      const step = sendUpdate(state, chunk.entries(), context.ports);
      if (!step.ok) {
        for (const ticket of chunk.tickets) ticket.failed(new NodeError(step));
        continue;
      }
      state = step.state;
      updates.push(step.update);
      this.#record(state, step.update, chunk, time, ops);
    }
    if (updates.length === 0) return;
    await this.#mailbox.commit(state, ops, false, time);
    // A session that ended meanwhile is resent to from the store, once the next one is re-established.
    if (this.#mailbox.session !== session) return;
    let flowing = true;
    for (const update of updates) flowing = session.send({ kind: "update", channelId, update });
    // A session that ends instead is noticed by the loop: what was written is resent on the next one.
    if (!flowing) await session.drained().catch(() => {});
  }

  #record(state: ChannelState, update: Update, chunk: Chunk, time: number, ops: Op[]): void {
    const { nonce } = update.proof;
    ops.push({
      type: "put",
      key: updateKey(state.idBytes, state.side, nonce),
      value: encodeUpdate(update, time),
    });
    indexOps(state.idBytes, update, ops);
    this.#inFlight.push({ nonce, tickets: chunk.tickets });
  }
}

function stopped(): NodeError {
  return new NodeError({ code: "node_stopped", fields: {} });
}

function invalid(option: string, reason: string): NodeError {
  return new NodeError({ code: "option_invalid", fields: { option, reason } });
}

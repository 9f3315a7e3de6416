import { type ChannelId, channelIdFromBytes, PAYMENT_ID_BYTES, toHex } from "../protocol/index.ts";
import { channelIdOfPaymentKey, paymentKey, paymentRange } from "../store/keys.ts";
import type { StoreReader } from "../store/store.ts";
import type { BatchReceipt } from "./channel/batchOutcome.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import { decodeIndexedPayment, type IndexedPayment } from "./channel/paymentIds.ts";
import { NodeError } from "./error.ts";
import type { OutgoingOrder, Receipt } from "./payment.ts";

/** Payments with ids of the application's under way at once: each waits for one acknowledgement. */
const MAX_PENDING = 1_000_000;

/** A payment that is or was made, and where it stands. */
interface Place {
  readonly paymentId: Uint8Array;
  readonly nonce: bigint;
  readonly index: number;
}

/**
 * Makes payments with ids of the application's idempotent, within a channel and for ever: by a map while they are
 * under way, by the index written in the same batch as their update afterwards.
 *
 * Callers have re-established the channel before: a payment that a power cut made us forget may still come back
 * from the payee, and its id must be found then.
 */
export class PaidOnce {
  readonly #store: StoreReader;
  readonly #pending = new Map<string, { readonly amount: bigint; readonly place: Promise<Place> }>();

  constructor(store: StoreReader) {
    this.#store = store;
  }

  /** A channel on which a payment with this id was made; undefined if there is none. */
  async paidOn(id: Uint8Array): Promise<ChannelId | undefined> {
    for await (const [key] of this.#store.range({ ...paymentRange(id), limit: 1 })) {
      return channelIdFromBytes(channelIdOfPaymentKey(key));
    }
    return undefined;
  }

  /** Whether a payment with this id was made on the channel, or is under way. */
  knows({ channelId, state }: ChannelMailbox, id: Uint8Array): boolean {
    if (this.#pending.has(nameOf(channelId, id))) return true;
    return this.#store.lookUp(paymentKey(id, state.idBytes)) !== undefined;
  }

  async pay(mailbox: ChannelMailbox, order: OutgoingOrder, id: Uint8Array): Promise<Receipt> {
    const [place] = await this.#payAll(mailbox, [{ ...order, id }]);
    return { channelId: mailbox.channelId, nonce: place!.nonce, index: place!.index, paymentId: toHex(id) };
  }

  /** Orders without an id are simply paid. The runs of the receipt are one per payment. */
  async payMany(mailbox: ChannelMailbox, orders: readonly OutgoingOrder[]): Promise<BatchReceipt> {
    const places = await this.#payAll(mailbox, orders);
    const ids = new Uint8Array(orders.length * PAYMENT_ID_BYTES);
    for (const [at, { paymentId }] of places.entries()) ids.set(paymentId, at * PAYMENT_ID_BYTES);
    return {
      count: orders.length,
      ids,
      runs: places.map(({ nonce, index }) => ({ nonce, first: index, count: 1 })),
    };
  }

  async #payAll(mailbox: ChannelMailbox, orders: readonly OutgoingOrder[]): Promise<Place[]> {
    const { channelId } = mailbox;
    const places: (Promise<Place> | undefined)[] = [];
    const fresh: { readonly order: OutgoingOrder; readonly name: string | undefined }[] = [];
    const batch = Promise.withResolvers<readonly Place[]>();
    batch.promise.catch(() => {});
    try {
      for (const [at, order] of orders.entries()) {
        const name = order.id === undefined ? undefined : nameOf(channelId, order.id);
        const pending = name === undefined ? undefined : this.#pending.get(name);
        if (pending !== undefined) {
          if (pending.amount !== order.amount) throw conflict(order.id!);
          places[at] = pending.place;
          continue;
        }
        const position = fresh.push({ order, name }) - 1;
        const place = batch.promise.then((made) => made[position]!);
        place.catch(() => {});
        places[at] = place;
        if (name !== undefined) this.#pending.set(name, { amount: order.amount, place });
      }
      if (this.#pending.size > MAX_PENDING) {
        throw new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_PENDING) } });
      }
      const orderly = fresh.map(({ order }) => order);
      batch.resolve(orderly.length === 0 ? [] : await this.#make(mailbox, orderly));
    } catch (error) {
      batch.reject(error);
      throw error;
    } finally {
      for (const { name } of fresh) if (name !== undefined) this.#pending.delete(name);
    }
    return Promise.all(places as Promise<Place>[]);
  }

  /** Pays those that the index does not know, and waits for all of them. */
  async #make(mailbox: ChannelMailbox, orders: readonly OutgoingOrder[]): Promise<Place[]> {
    const known = await this.#find(mailbox, orders);
    const unpaid = orders.filter((_, at) => known[at] === undefined);
    const paying = unpaid.length === 0 ? undefined : mailbox.payer.payMany(unpaid);
    const waiting = known.map((place) =>
      place === undefined ? undefined : mailbox.payer.acknowledged(place.nonce),
    );
    // Together: awaited one after the other, a failure of the second while the first fails would be nobody's.
    const [receipt] = await Promise.all([paying, ...waiting]);
    const made = placesOf(receipt);
    return known.map((place, at) =>
      place === undefined ? made.next().value! : { ...place, paymentId: orders[at]!.id! },
    );
  }

  async #find(
    mailbox: ChannelMailbox,
    orders: readonly OutgoingOrder[],
  ): Promise<(IndexedPayment | undefined)[]> {
    const { idBytes } = mailbox.state;
    const named = orders.flatMap(({ id }) => (id === undefined ? [] : [paymentKey(id, idBytes)]));
    const found = named.length === 1 ? [this.#store.lookUp(named[0]!)] : await this.#store.getMany(named);
    const stored = found.values();
    return orders.map(({ id, amount }) => {
      const bytes = id === undefined ? undefined : stored.next().value;
      if (bytes === undefined) return undefined;
      const paid = decodeIndexedPayment(bytes);
      if (paid.amount !== amount) throw conflict(id!);
      return paid;
    });
  }
}

function* placesOf(receipt: BatchReceipt | undefined): Generator<Place, undefined> {
  if (receipt === undefined) return;
  let offset = 0;
  for (const { nonce, first, count } of receipt.runs) {
    for (let i = 0; i < count; i++) {
      const paymentId = receipt.ids.subarray(offset, offset + PAYMENT_ID_BYTES);
      offset += PAYMENT_ID_BYTES;
      yield { paymentId, nonce, index: first + i };
    }
  }
}

function nameOf(channelId: ChannelId, id: Uint8Array): string {
  if (id.length !== PAYMENT_ID_BYTES) {
    throw new NodeError({ code: "option_invalid", fields: { option: "id", reason: "16 bytes" } });
  }
  return `${channelId}${toHex(id)}`;
}

function conflict(id: Uint8Array): NodeError {
  return new NodeError({ code: "payment_conflict", fields: { paymentId: toHex(id) } });
}

import { randomBytes } from "node:crypto";
import {
  FLAG_APPLICATION_ID,
  FLAG_REFERENCE,
  PAYMENT_ID_BYTES,
  putUint128,
  REFERENCE_BYTES,
  readTransfers,
  readUint128,
  TRANSFER_BYTES,
  type Update,
  viewOf,
} from "../../protocol/index.ts";
import { paymentKey } from "../../store/keys.ts";
import type { Op } from "../../store/store.ts";

/** Ids for payments the application gave none: a random prefix per process and channel, then a sequence. */
export class PaymentIds {
  readonly #next = new Uint8Array(PAYMENT_ID_BYTES);
  readonly #view = viewOf(this.#next);
  #sequence = 0n;

  constructor() {
    this.#next.set(randomBytes(8));
  }

  /** The next id. The array is reused: copy it to keep it. */
  next(): Uint8Array {
    this.#view.setBigUint64(8, ++this.#sequence);
    return this.#next;
  }
}

/** Where a payment with an id of the application's stands in its channel: `nonce(8) ‖ index(4) ‖ amount(16)`. */
export interface IndexedPayment {
  readonly nonce: bigint;
  readonly index: number;
  readonly amount: bigint;
}

const INDEX_BYTES = 8 + 4 + 16;

export function decodeIndexedPayment(bytes: Uint8Array): IndexedPayment {
  const view = viewOf(bytes);
  return {
    nonce: view.getBigUint64(0),
    index: view.getUint32(8),
    amount: readUint128(view, 12),
  };
}

/** Adds index records for those payments of `update` whose ids the application gave; most updates have none. */
export function indexOps(channelId: Uint8Array, update: Update, ops: Op[]): void {
  if (!hasApplicationId(update.entries)) return;
  let index = 0;
  for (const transfer of readTransfers(update.entries)) {
    if (transfer.applicationId) {
      const value = new Uint8Array(INDEX_BYTES);
      const view = viewOf(value);
      view.setBigUint64(0, update.proof.nonce);
      view.setUint32(8, index);
      putUint128(view, 12, transfer.amount);
      ops.push({ type: "put", key: paymentKey(transfer.paymentId, channelId), value });
    }
    index++;
  }
}

/** A walk over flags alone, so that the usual update costs no objects. */
export function hasApplicationId(entries: Uint8Array): boolean {
  for (let offset = 0; offset < entries.length; ) {
    const flags = entries[offset + 1]!;
    if ((flags & FLAG_APPLICATION_ID) !== 0) return true;
    offset += (flags & FLAG_REFERENCE) === 0 ? TRANSFER_BYTES : TRANSFER_BYTES + REFERENCE_BYTES;
  }
  return false;
}

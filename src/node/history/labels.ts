import type { ChannelId, Hex } from "../../protocol/index.ts";
import { channelIdToBytes, fromHex } from "../../protocol/index.ts";
import { paymentKey, recordKey } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import type { Records } from "../records.ts";
import type { Direction } from "./listedPayment.ts";

const NAMESPACE = "label";

/** Longest label, of a payment, a request or an access token, in UTF-16 code units. */
export const MAX_LABEL_LENGTH = 64;

/** A payment by the id its application gave it. The direction is part of it: a peer may choose an id we have used. */
export interface LabelledPayment {
  readonly channelId: ChannelId;
  readonly direction: Direction;
  /** 16 bytes as hex. */
  readonly paymentId: Hex;
}

/** What the owner of this node calls its payments: text by payment id, shown and filtered, never interpreted. */
export class Labels {
  readonly #records: Records;
  readonly #store: StoreReader;

  constructor(records: Records, store: StoreReader) {
    this.#records = records;
    this.#store = store;
  }

  /**
   * Labels a payment, before it is made: whatever is committed later becomes durable no earlier, so no payment with a
   * label can survive a crash without it. The payment may be made as soon as this was called. A payment that was made
   * keeps its label when it is paid again by its id. Rejects with `option_invalid` for an empty or a longer label.
   */
  async put(payment: LabelledPayment, label: string): Promise<void> {
    if (label === "" || label.length > MAX_LABEL_LENGTH) {
      const reason = `1 to ${MAX_LABEL_LENGTH} characters`;
      throw new NodeError({ code: "option_invalid", fields: { option: "label", reason } });
    }
    const key = keyOf(payment);
    const [known, paid] = await this.#store.getMany([
      recordKey(NAMESPACE, key),
      paymentKey(fromHex(payment.paymentId), channelIdToBytes(payment.channelId)),
    ]);
    if (known !== undefined && (paid !== undefined || textOf(known) === label)) return;
    await this.#records.put(NAMESPACE, key, label, { sync: false });
  }

  /** One label, or undefined, per payment. */
  async of(payments: readonly LabelledPayment[]): Promise<(string | undefined)[]> {
    if (payments.length === 0) return [];
    const found = await this.#store.getMany(payments.map((payment) => recordKey(NAMESPACE, keyOf(payment))));
    return found.map((bytes) => bytes && textOf(bytes));
  }
}

function keyOf({ channelId, direction, paymentId }: LabelledPayment): string {
  return `${channelId}/${direction}/${paymentId}`;
}

function textOf(bytes: Uint8Array): string {
  return JSON.parse(new TextDecoder().decode(bytes)) as string;
}

import {
  type Address,
  type ChannelId,
  type ChannelState,
  type Hex,
  readTransfers,
  toHex,
  type Update,
} from "../protocol/index.ts";

/** A payment as the application sees it. It is named for ever by (channelId, direction, nonce, index). */
export interface Payment {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly nonce: bigint;
  /** Position within its update, from 0. */
  readonly index: number;
  /** 16 bytes as hex. */
  readonly paymentId: Hex;
  /** The token's base unit. */
  readonly amount: bigint;
  readonly reference: Hex | undefined;
  readonly refund: boolean;
}

/** The channel of a batch: its mailbox. */
interface BatchSource {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly state: Pick<ChannelState, "terms">;
}

/** The payments of one update, read lazily: at high rates an application takes only what it needs. */
export class PaymentBatch implements Iterable<Payment> {
  readonly channelId: ChannelId;
  /** The signer of the other side. */
  readonly peer: Address;
  readonly token: Address;
  readonly nonce: bigint;
  /** The packed entries as signed, see `protocol/entries.ts`. */
  readonly entries: Uint8Array;

  constructor({ channelId, peer, state }: BatchSource, update: Update) {
    this.channelId = channelId;
    this.peer = peer;
    this.token = state.terms.channel.token;
    this.nonce = update.proof.nonce;
    this.entries = update.entries;
  }

  *[Symbol.iterator](): Iterator<Payment> {
    let index = 0;
    for (const transfer of readTransfers(this.entries)) {
      yield {
        channelId: this.channelId,
        peer: this.peer,
        nonce: this.nonce,
        index: index++,
        paymentId: toHex(transfer.paymentId),
        amount: transfer.amount,
        reference: transfer.reference === undefined ? undefined : toHex(transfer.reference),
        refund: transfer.refund,
      };
    }
  }
}

/** What `pay` resolves with: the payee holds the payment durably. */
export interface Receipt {
  readonly channelId: ChannelId;
  /** The update that carries the payment, in our direction. */
  readonly nonce: bigint;
  /** Position within that update. */
  readonly index: number;
  readonly paymentId: Hex;
}

/** What the node itself may order beside an application's payments. */
export interface OutgoingOrder extends PaymentOrder {
  /** Gives back a payment named by the reference. */
  readonly refund?: boolean;
}

/** What an application asks to be paid. */
export interface PaymentOrder {
  /** The token's base unit, above zero and below 2^128. */
  readonly amount: bigint;
  /** 16 bytes; makes the payment idempotent for ever: the same id again returns the first result. */
  readonly id?: Uint8Array | undefined;
  /** 32 bytes that tie the payment to something of the application's. */
  readonly reference?: Uint8Array | undefined;
}

import type { ChannelId, PaymentBatch, RivuletNode } from "rivulet";
import type { PeerNotice } from "./control.ts";

/** Notes are handed on this often: one by one they would cost more than the payments. */
const HAND_ON_MS = 10;

interface Watched {
  /** The last update whose payments were taken note of. */
  cursor: bigint;
  /** The last update the node told of. */
  latest: bigint;
  busy: boolean;
  /** Taken note of and not handed on yet; lost with the process, like everything it did not say. */
  ids: string[];
  amounts: bigint[];
}

/**
 * The receiving side of an application: takes note of every payment exactly once, across crashes of its own. Events
 * tell it at once; what a crash kept them from telling it reads from the node, from where its own notes end.
 */
export class Receiving {
  readonly #node: RivuletNode;
  readonly #note: (notice: PeerNotice) => void;
  readonly #onError: (error: unknown) => void;
  readonly #channels = new Map<ChannelId, Watched>();

  constructor(node: RivuletNode, note: (notice: PeerNotice) => void, onError: (error: unknown) => void) {
    this.#node = node;
    this.#note = note;
    this.#onError = onError;
    node.on("payments", (batch) => this.#told(batch));
    setInterval(() => this.handOn(), HAND_ON_MS).unref();
  }

  /** Hands on what was noted since the last time. */
  handOn(): void {
    for (const [channelId, watched] of this.#channels) {
      const { cursor, ids, amounts } = watched;
      if (ids.length === 0) continue;
      this.#note({ kind: "received", channelId, nonce: cursor, ids: ids.join(""), amounts });
      watched.ids = [];
      watched.amounts = [];
    }
  }

  /** Watches a channel on which everything up to update `after` is noted already. */
  async watch(channelId: ChannelId, after: bigint): Promise<void> {
    const watched: Watched = { cursor: after, latest: after, busy: false, ids: [], amounts: [] };
    this.#channels.set(channelId, watched);
    await this.#catchUp(channelId, watched);
  }

  #told(batch: PaymentBatch): void {
    const watched = this.#channels.get(batch.channelId);
    if (watched === undefined) return; // read when the channel is watched
    watched.latest = batch.nonce;
    if (watched.busy) return;
    if (batch.nonce === watched.cursor + 1n) this.#take(watched, batch);
    else this.#catchUp(batch.channelId, watched).catch(this.#onError);
  }

  async #catchUp(channelId: ChannelId, watched: Watched): Promise<void> {
    watched.busy = true;
    try {
      do {
        for await (const batch of this.#node.received(channelId, { after: watched.cursor })) {
          this.#take(watched, batch);
        }
      } while (watched.cursor < watched.latest);
    } finally {
      watched.busy = false;
    }
  }

  #take(watched: Watched, batch: PaymentBatch): void {
    if (batch.nonce <= watched.cursor) return;
    watched.cursor = batch.nonce;
    for (const { paymentId, amount } of batch) {
      watched.ids.push(paymentId.slice(2));
      watched.amounts.push(amount);
    }
  }
}

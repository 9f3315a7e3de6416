import {
  MAX_ENTRIES_BYTES,
  type Transfer,
  transferBytes,
  viewOf,
  writeTransfer,
} from "../../protocol/index.ts";
import type { NodeError } from "../error.ts";

/** Somebody waits for a run of payments within one update: `first` and `count` are positions in it. */
export interface Ticket {
  readonly first: number;
  readonly count: number;
  /** The payee holds update `nonce` durably. */
  paid(nonce: bigint): void;
  /** Nothing of it was or will be paid. */
  failed(error: NodeError): void;
}

/** A chunk's buffer starts here and doubles: an idle channel's single payment costs little. */
const FIRST_CHUNK_BYTES = 256;

/** Payments that will share one update: packed as they are queued, so that nothing is kept per payment. */
export class Chunk {
  #bytes = new Uint8Array(FIRST_CHUNK_BYTES);
  #view = viewOf(this.#bytes);
  #length = 0;
  count = 0;
  total = 0n;
  readonly tickets: Ticket[] = [];

  get length(): number {
    return this.#length;
  }

  fits(size: number): boolean {
    return this.#length + size <= MAX_ENTRIES_BYTES;
  }

  append(transfer: Transfer): void {
    const size = transferBytes(transfer.reference);
    if (this.#length + size > this.#bytes.length) this.#grow();
    this.#length = writeTransfer(this.#bytes, this.#view, this.#length, transfer);
    this.count++;
    this.total += transfer.amount;
  }

  entries(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(Math.min(this.#bytes.length * 2, MAX_ENTRIES_BYTES));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

/** The payments of one channel that wait to be signed, in order. */
export class Outbox {
  readonly #chunks: Chunk[] = [];
  readonly #signEach: boolean;
  /** Sum of the amounts that wait. */
  total = 0n;
  bytes = 0;

  constructor(signEach: boolean) {
    this.#signEach = signEach;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Packs one payment and returns the chunk that holds it, for its ticket. */
  add(transfer: Transfer): Chunk {
    const size = transferBytes(transfer.reference);
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || this.#signEach || !chunk.fits(size)) {
      chunk = new Chunk();
      this.#chunks.push(chunk);
    }
    chunk.append(transfer);
    this.total += transfer.amount;
    this.bytes += size;
    return chunk;
  }

  /** Removes up to `most` chunks from the front: what is queued from now on goes behind them. */
  take(most: number): Chunk[] {
    const taken = this.#chunks.splice(0, most);
    for (const chunk of taken) {
      this.total -= chunk.total;
      this.bytes -= chunk.length;
    }
    return taken;
  }
}

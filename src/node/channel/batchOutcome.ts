import { NodeError } from "../error.ts";
import type { Ticket } from "./outbox.ts";

/** Several payments made at once; resolves when the payee holds all of them. */
export interface BatchReceipt {
  readonly count: number;
  /** The payments' ids, 16 bytes each, in the order they were given. */
  readonly ids: Uint8Array;
  /** Runs of payments, in the order they were given. */
  readonly runs: readonly { readonly nonce: bigint; readonly first: number; readonly count: number }[];
}

/**
 * What becomes of a batch that may need several updates. A failure is told only when every run is decided: a peer
 * that acknowledges the first run and has us refuse the second must not be paid the first again by a caller who was
 * told that nothing was paid.
 */
export class BatchOutcome {
  readonly #count: number;
  readonly #ids: Uint8Array;
  readonly #resolve: (receipt: BatchReceipt) => void;
  readonly #reject: (error: NodeError) => void;
  readonly #runs: { nonce: bigint; readonly first: number; readonly count: number }[] = [];
  #open = 0;
  #paid = 0;
  #failure: NodeError | undefined;

  /** `count` payments with `ids`, 16 bytes each. */
  constructor(
    count: number,
    ids: Uint8Array,
    resolve: (receipt: BatchReceipt) => void,
    reject: (error: NodeError) => void,
  ) {
    this.#count = count;
    this.#ids = ids;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The ticket of the next run: `count` payments from position `first` of their update. */
  ticket(first: number, count: number): Ticket {
    const run = { nonce: 0n, first, count };
    this.#runs.push(run);
    this.#open++;
    return {
      first,
      count,
      paid: (nonce) => {
        run.nonce = nonce;
        this.#paid += count;
        this.#decided();
      },
      failed: (error) => {
        this.#failure ??= error;
        this.#decided();
      },
    };
  }

  #decided(): void {
    if (--this.#open > 0) return;
    const failure = this.#failure;
    if (failure === undefined) this.#resolve({ count: this.#count, ids: this.#ids, runs: this.#runs });
    else if (this.#paid === 0 || failure.code === "node_stopped") this.#reject(failure);
    else {
      const fields = { paid: BigInt(this.#paid), count: BigInt(this.#count) };
      this.#reject(new NodeError({ code: "payments_partly_paid", fields }, { cause: failure }));
    }
  }
}

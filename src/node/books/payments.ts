import {
  addressToBytes,
  type ChannelState,
  isSignedBy,
  type LedgerPorts,
  NO_PROOF,
  type Side,
  type SignedProof,
  signerOf,
} from "../../protocol/index.ts";
import { updateKey, updateRange } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import { type Direction, payerOf } from "../history/listedPayment.ts";
import { type StoredUpdate, stored } from "../history/updatePages.ts";
import { countedNonces } from "./movement.ts";

export const DIRECTIONS: readonly Direction[] = ["sent", "received"];

/** The stored updates of one direction of one channel, from 1 to the last one that counts. */
export class StoredUpdates {
  readonly #store: StoreReader;
  readonly #state: ChannelState;
  readonly payer: Side;
  /** The newest update that counts as payments. */
  readonly last: bigint;

  constructor(store: StoreReader, state: ChannelState, direction: Direction) {
    this.#store = store;
    this.#state = state;
    this.payer = payerOf(state, direction);
    this.last = countedNonces(state)[direction];
  }

  /** Update `nonce`. Throws `update_missing` when a database that lost data has it no more. */
  async at(nonce: bigint): Promise<StoredUpdate> {
    const bytes = await this.#store.get(updateKey(this.#state.idBytes, this.payer, nonce));
    if (bytes === undefined) throw this.#missing(nonce);
    return stored(bytes);
  }

  /** The proof after update `nonce`; where the direction starts for 0. */
  async proofAt(nonce: bigint): Promise<SignedProof> {
    return nonce === 0n ? NO_PROOF : (await this.at(nonce)).update.proof;
  }

  /**
   * How many updates were written before `time`. Updates are written in the order of their nonces; where the clock
   * was set back meanwhile, the cut falls at one of the places that could be meant.
   */
  async countBefore(time: number): Promise<bigint> {
    let [low, high] = [0n, this.last];
    while (low < high) {
      const middle = (low + high + 1n) / 2n;
      if ((await this.at(middle)).time < time) low = middle;
      else high = middle - 1n;
    }
    return low;
  }

  /** Updates `from` to `to`, both included. Throws `update_missing` at a gap. */
  async *between(from: bigint, to: bigint, signal?: AbortSignal): AsyncGenerator<StoredUpdate> {
    if (from > to) return;
    let expected = from;
    const range = updateRange(this.#state.idBytes, this.payer, from, to + 1n);
    for await (const [, bytes] of this.#store.range({ ...range, signal })) {
      const next = stored(bytes);
      if (next.update.proof.nonce !== expected) throw this.#missing(expected);
      expected++;
      yield next;
    }
    if (expected <= to) throw this.#missing(expected);
  }

  /**
   * The first update from `nonce` on whose own signature holds. A payee checks only the newest signature of a run, so
   * the one at a period's end may be worth nothing; a later one commits to everything before it.
   */
  async signedFrom(nonce: bigint, { crypto, digests }: LedgerPorts): Promise<bigint | undefined> {
    const { idBytes, terms } = this.#state;
    const signer = addressToBytes(signerOf(terms.channel, this.payer));
    for await (const { update } of this.between(nonce, this.last)) {
      const digest = digests.balanceProof(idBytes, update.proof);
      if (isSignedBy(signer, digest, update.proof.signature, crypto)) return update.proof.nonce;
    }
    return undefined;
  }

  #missing(nonce: bigint): NodeError {
    return new NodeError({ code: "update_missing", fields: { channelId: this.#state.id, nonce } });
  }
}

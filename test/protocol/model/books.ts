import {
  type ChannelState,
  equalBytes,
  readTransfers,
  receiveCapacity,
  sendCapacity,
  toHex,
  type Update,
} from "../../../src/protocol/index.ts";
import type { Peer } from "./peer.ts";

export function fail(what: string): never {
  throw new Error(what);
}

/** A tally of what applications asked for and of what must hold between two honest nodes; from neither of them. */
export class Books {
  /** Amount by payment id. */
  readonly #asked = new Map<string, bigint>();
  /** A side that lost sent updates and has not got all of them back: it may for a while have spent what it forgot. */
  readonly #recovering: [boolean, boolean] = [false, false];
  readonly #acknowledged: [bigint, bigint] = [0n, 0n];

  /** These payments were signed. */
  asked(entries: Uint8Array): void {
    for (const { paymentId, amount } of readTransfers(entries)) this.#asked.set(toHex(paymentId), amount);
  }

  /** `peer` came back from a power cut, having had `sentNonce` before. Acknowledgements of what it forgot come again. */
  lostPower({ side, state }: Peer, sentNonce: bigint): void {
    if (state.sent.nonce < sentNonce) this.#recovering[side] = true;
    this.#acknowledged[side] = state.acknowledged;
  }

  /** Everything in flight has arrived. */
  recovered(): void {
    this.#recovering.fill(false);
  }

  /** Holds at every moment. */
  check(peer: Peer, payee: Peer): void {
    const { side, state, kept } = peer;
    if (kept.sent.length !== Number(state.sent.nonce))
      fail("the stored sent updates are not those of the state");
    if (kept.received.length !== Number(state.received.nonce)) fail("the stored received updates are not");
    if (state.acknowledged < this.#acknowledged[side]) fail("acknowledgements went back");
    this.#acknowledged[side] = state.acknowledged;
    if (state.acknowledged > payee.durable.state.received.nonce) fail("acknowledged and yet not durable");
    if (state.acknowledged > 0n) {
      const at = Number(state.acknowledged) - 1;
      const [ours, theirs] = [kept.sent[at]!.proof.history, payee.durable.received[at]!.proof.history];
      if (!equalBytes(ours, theirs)) fail("the histories of an acknowledged prefix differ");
    }
    // An announcement still on its way may be about what has lapsed since.
    const informed = state.terms.credited.sequence === payee.state.terms.announced.sequence;
    if (sendCapacity(state) < 0n && informed && !this.#recovering[side])
      fail(`side ${side} has negative capacity`);
    const [d0, d1] = state.terms.chain.deposits;
    if (d0 + d1 > 0n && receiveCapacity(state) < 0n && !this.#recovering[side])
      fail("received more than is backed");
  }

  /** Holds once everything has arrived. */
  agree(payer: Peer, payee: Peer): void {
    if (!payer.isReady) fail("re-established, and yet not ready");
    if (payer.state.sent !== payee.state.received && payer.state.sent.nonce !== payee.state.received.nonce) {
      fail("something sent did not arrive");
    }
    if (!equalBytes(payer.state.sent.history, payee.state.received.history)) fail("the histories differ");
    const open = payer.state.terms.phase === "open" && payee.state.terms.phase === "open";
    if (!open) return;
    if (payer.state.acknowledged !== payer.state.sent.nonce) fail("something sent was not acknowledged");
    const [can, may] = [sendCapacity(payer.state), receiveCapacity(payee.state)];
    if (can > may) fail(`the payer may send ${can}, the payee takes ${may}`);
    if (payer.state.terms.withdrawals.length === 0 && can !== may) fail(`capacity ${can} is not ${may}`);
    const ids = new Set<string>();
    let total = 0n;
    for (const id of idsOf(payee.kept.received)) {
      if (ids.has(id)) fail("a payment was applied twice");
      ids.add(id);
      total += this.#asked.get(id) ?? fail("a payment that nobody asked for");
    }
    if (total !== payee.state.received.transferred)
      fail("the totals are not what the applications asked for");
  }

  /** Holds once everything has arrived: both together own what the channel holds. */
  conserve([a, b]: readonly [Peer, Peer]): void {
    if (a.state.terms.phase !== "open" || b.state.terms.phase !== "open") return;
    const { deposits, withdrawn } = a.state.terms.chain;
    const all = deposits[0] + deposits[1] - withdrawn[0] - withdrawn[1];
    if (ownedBy(a.state) + ownedBy(b.state) !== all) fail("balances do not add up to what the channel holds");
  }
}

/** What a side owns by its own books. */
export function ownedBy({ side, terms, received, sent }: ChannelState): bigint {
  return terms.chain.deposits[side] - terms.chain.withdrawn[side] + received.transferred - sent.transferred;
}

function* idsOf(updates: readonly Update[]): Generator<string> {
  for (const { entries } of updates) {
    for (const { paymentId } of readTransfers(entries)) yield toHex(paymentId);
  }
}

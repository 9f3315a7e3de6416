import { addressToBytes } from "../address.ts";
import { signerOf } from "../channel.ts";
import { type BalanceProof, differingField, type SignedProof } from "../proof.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { receiveCredited } from "./credit.ts";
import { type ChannelState, type Credits, isSignedBy, type LedgerPorts, withTerms } from "./state.ts";
import { nextProof, type Update } from "./update.ts";

/** Where one side stands in a channel, said by both before anything is signed on a new connection. */
export interface Reestablish {
  readonly sentNonce: bigint;
  /**
   * The newest proof it holds of the other side; nonce 0 when none. Evidence too: a payer that lost its own data must
   * learn of all that it signed. While `credited` says that a close is live it therefore acknowledges nothing.
   */
  readonly received: SignedProof;
  readonly credited: Credits;
}

export function reestablish(state: ChannelState): Reestablish {
  return { sentNonce: state.sent.nonce, received: state.received, credited: state.terms.announced };
}

export interface Reestablished {
  readonly ok: true;
  readonly state: ChannelState;
  /** Our updates the other side lacks: from here to `sent`, if not beyond it. */
  readonly resendFrom: bigint;
  /** The other side's own updates that it lost: from here to `received`, if not beyond it. */
  readonly returnFrom: bigint;
}

/**
 * Compares where both sides stand. If the other side returns a newer proof of ours, signed by us, then we lost data:
 * the state is `behind` until {@link adoptReturned} caught up. If it returns another proof of ours under our newest
 * nonce, then we signed that nonce twice, and no update can ever bring both together: `behind` stays, a liability.
 * A returned proof that we did not sign is a lie.
 */
export function receiveReestablish(
  state: ChannelState,
  message: Reestablish,
  ports: LedgerPorts,
): Reestablished | Refusal {
  const credited = receiveCredited(state, message.credited);
  if (!credited.ok) return credited;
  const held = message.received;
  const returnFrom = message.sentNonce + 1n;
  const forked = held.nonce === state.sent.nonce && differingField(held, state.sent) !== undefined;
  if (held.nonce > state.sent.nonce || forked) {
    if (!isOurs(state, held, ports)) return refuse("returned_proof_invalid", { nonce: held.nonce });
    const next = { ...credited.state, behind: newer(state.behind, held) };
    return { ok: true, state: next, resendFrom: state.sent.nonce + 1n, returnFrom };
  }
  if (message.credited.closeLive) {
    // What it holds beyond what it acknowledged may be evidence that it does not serve: it acknowledges the rest again.
    const known = held.nonce < state.acknowledged ? held.nonce : state.acknowledged;
    return { ok: true, state: credited.state, resendFrom: known + 1n, returnFrom };
  }
  const acknowledged = held.nonce > state.acknowledged ? held.nonce : state.acknowledged;
  return { ok: true, state: { ...credited.state, acknowledged }, resendFrom: held.nonce + 1n, returnFrom };
}

function newer(known: SignedProof | undefined, returned: SignedProof): SignedProof {
  return known !== undefined && known.nonce >= returned.nonce ? known : returned;
}

function isOurs(state: ChannelState, proof: SignedProof, { crypto, digests }: LedgerPorts): boolean {
  const signer = addressToBytes(signerOf(state.terms.channel, state.side));
  return isSignedBy(signer, digests.balanceProof(state.idBytes, proof), proof.signature, crypto);
}

/**
 * What catching up led to: still missing updates, whole again, or in possession of an own proof that does not follow
 * from what we know. The last one is adopted as a liability: the channel signs nothing more and has to be closed.
 */
export type Adoption =
  | { readonly kind: "missing"; readonly progress: BalanceProof }
  | { readonly kind: "caughtUp"; readonly state: ChannelState }
  | { readonly kind: "liability"; readonly state: ChannelState };

/**
 * Takes one returned update of our own after `progress` (at first, `state.sent`). Nothing is adopted before the
 * recomputed history reaches the proof we know we signed. It is acknowledged unless the payee stopped for a close: then
 * it may be evidence, and the caller resends what is not acknowledged to learn of it.
 */
export function adoptReturned(
  state: ChannelState,
  progress: BalanceProof,
  update: Update,
  ports: LedgerPorts,
): Adoption | Refusal {
  const target = state.behind;
  if (target === undefined || update.proof.nonce !== progress.nonce + 1n) {
    return refuse("nonce_gap", { expected: progress.nonce + 1n, received: update.proof.nonce });
  }
  const next = nextProof(progress, update.entries, ports);
  if (!next.ok) return next;
  if (next.proof.nonce < target.nonce) return { kind: "missing", progress: next.proof };
  const follows = differingField(next.proof, target) === undefined;
  const acknowledged = state.terms.credited.closeLive ? state.acknowledged : target.nonce;
  const adopted: ChannelState = { ...state, sent: target, acknowledged };
  if (!follows) return { kind: "liability", state: adopted };
  return { kind: "caughtUp", state: { ...withLastNonce(adopted, target.nonce), behind: undefined } };
}

/** A stop made before we knew what we had lost names too low a nonce. It cannot have been announced: that needs us whole. */
function withLastNonce(state: ChannelState, ours: bigint): ChannelState {
  const { stop } = state.terms;
  return stop === undefined ? state : withTerms(state, { stop: { ...stop, ours } });
}

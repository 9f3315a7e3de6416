import { maxAmount, minAmount } from "../amount.ts";
import { otherSide, type Side } from "../channel.ts";
import type { SignedProof } from "../proof.ts";
import { recounted } from "./capacity.ts";
import { type ChainView, type ChannelState, type Phase, withSide, withTerms } from "./state.ts";

/**
 * The chain's own reading of a channel at one block. `confirmed` is read at the newest block with the configured
 * confirmations, `newest` at the tip.
 */
export interface ChainReading {
  readonly status: "none" | "open" | "closing" | "settled";
  readonly deposits: readonly [bigint, bigint];
  readonly withdrawn: readonly [bigint, bigint];
  readonly deadline: bigint;
  /** Recorded nonce per payer's side; zero unless closing. */
  readonly recorded: readonly [bigint, bigint];
}

/**
 * Brings the channel's view of the chain up to date. Deposits count once confirmed; withdrawals and the start of a
 * close count at zero confirmations, because they bind us. A close that a reorganisation removed stays a close. The
 * state itself when nothing has changed: what is written and told is only what is new.
 */
export function observeChain(
  state: ChannelState,
  confirmed: ChainReading,
  newest: ChainReading,
): ChannelState {
  const { terms } = state;
  // A settled channel's record is empty: what was deposited and withdrawn is what was seen before.
  const deposits = confirmed.status === "settled" ? terms.chain.deposits : confirmed.deposits;
  const withdrawn = newest.status === "settled" ? terms.chain.withdrawn : newest.withdrawn;
  const seen: ChainView = {
    deposits,
    withdrawn: [
      maxAmount(confirmed.withdrawn[0], withdrawn[0]),
      maxAmount(confirmed.withdrawn[1], withdrawn[1]),
    ],
    close:
      newest.status === "closing"
        ? { deadline: newest.deadline, recorded: newest.recorded }
        : terms.chain.close,
    settled: terms.chain.settled,
  };
  const chain = isSameView(seen, terms.chain) ? terms.chain : seen;
  const next = recounted({ ...terms, chain, phase: phaseAfter(state, confirmed, newest) });
  const changed = chain !== terms.chain || next.phase !== terms.phase || next.announced !== terms.announced;
  return changed ? withTerms(state, next) : state;
}

/** Settlements come from elsewhere: see {@link observeSettled}. */
function isSameView(a: ChainView, b: ChainView): boolean {
  return (
    isSamePair(a.deposits, b.deposits) &&
    isSamePair(a.withdrawn, b.withdrawn) &&
    a.close?.deadline === b.close?.deadline &&
    isSamePair(a.close?.recorded, b.close?.recorded)
  );
}

function isSamePair(a: readonly [bigint, bigint] | undefined, b: readonly [bigint, bigint] | undefined) {
  return a?.[0] === b?.[0] && a?.[1] === b?.[1];
}

/** `settled` is decided by {@link observeSettled} alone: a settlement counts once confirmed. */
function phaseAfter({ terms }: ChannelState, confirmed: ChainReading, newest: ChainReading): Phase {
  if (terms.phase === "settled" || terms.phase === "closing") return terms.phase;
  if (newest.status === "closing" || newest.status === "settled") return "closing";
  return confirmed.status === "none" ? terms.phase : "open";
}

/** The chain recorded proof `nonce` for the direction in which `payer` pays. */
export function observeRecorded(state: ChannelState, payer: Side, nonce: bigint): ChannelState {
  const { chain } = state.terms;
  const close = chain.close ?? { deadline: 0n, recorded: [0n, 0n] };
  if (close.recorded[payer] >= nonce) return state;
  const recorded = withSide(close.recorded, payer, nonce);
  return withTerms(state, { chain: { ...chain, close: { ...close, recorded } } });
}

/**
 * The settlement is confirmed: final. Evidence taken while closing is accepted as far as the chain recorded it,
 * because the chain has paid it. Not so once we have signed a cooperative close: that one settles over the recorded
 * proofs, and a payer that signs beyond its own stop would be served for what it never pays.
 */
export function observeSettled(state: ChannelState, shares: readonly [bigint, bigint]): ChannelState {
  const { chain, stop } = state.terms;
  const recorded = chain.close?.recorded[otherSide(state.side)] ?? 0n;
  const paid = stop?.signed === undefined ? minAmount(recorded, state.received.nonce) : 0n;
  const accepted = maxAmount(state.accepted, paid);
  return { ...withTerms(state, { phase: "settled", chain: { ...chain, settled: { shares } } }), accepted };
}

/** We start a unilateral close ourselves: from now on the channel pays nothing. */
export function startClosing(state: ChannelState): ChannelState {
  if (state.terms.phase === "closing" || state.terms.phase === "settled") return state;
  return withTerms(state, recounted({ ...state.terms, phase: "closing" }));
}

/** What a closing channel needs this node to publish now. */
export type Dispute =
  | { readonly kind: "startClose"; readonly proof: SignedProof }
  | { readonly kind: "challenge"; readonly payer: Side; readonly proof: SignedProof }
  | { readonly kind: "settle" };

/**
 * The transactions that keep our money whole on a closing channel: our latest incoming proof while the recorded one
 * is older, then the settlement. `newest` is the newest block's time.
 *
 * Outgoing proofs are submitted only when a removed lock makes one worth more to us than silence; with transfers
 * alone a newer outgoing proof only ever pays the other side.
 */
export function disputeOf(state: ChannelState, chain: ChainReading, newest: bigint): Dispute | undefined {
  if (state.terms.phase !== "closing") return undefined;
  if (chain.status === "open") return { kind: "startClose", proof: state.received };
  if (chain.status !== "closing") return undefined;
  if (newest >= chain.deadline) return { kind: "settle" };
  const payer = otherSide(state.side);
  if (state.received.nonce > chain.recorded[payer])
    return { kind: "challenge", payer, proof: state.received };
  return undefined;
}

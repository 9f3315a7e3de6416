import { equalBytes } from "../bytes.ts";
import { otherSide } from "../channel.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { recounted } from "./capacity.ts";
import {
  type ChannelState,
  isCounterparty,
  type LedgerPorts,
  type SignedClose,
  type Stop,
  withSide,
  withTerms,
} from "./state.ts";
import { MAX_SIGNED_DEADLINE } from "./withdraw.ts";

type Step = { readonly ok: true; readonly state: ChannelState } | Refusal;
type SignStep = { readonly ok: true; readonly state: ChannelState; readonly close: SignedClose } | Refusal;

function withStop(state: ChannelState, stop: Stop | undefined): ChannelState {
  return { ...state, terms: recounted({ ...state.terms, stop }) };
}

function cannotStop(state: ChannelState): Refusal | undefined {
  if (state.terms.phase !== "open") return refuse("channel_not_open", { phase: state.terms.phase });
  if (state.behind !== undefined) return refuse("channel_behind", { nonce: state.behind.nonce });
  const locked = state.sent.locked + state.received.locked;
  return locked > 0n ? refuse("locks_pending", { locked }) : undefined;
}

/** Stops our payments for a cooperative close: `sent` is the last update we sign. Announced by `CloseStop`. */
export function stopForClose(state: ChannelState): Step {
  const refused = cannotStop(state);
  if (refused !== undefined) return refused;
  const stop = state.terms.stop;
  if (stop !== undefined) return { ok: true, state: withStop(state, { ...stop, wanted: true }) };
  const ours = state.sent.nonce;
  return { ok: true, state: withStop(state, { wanted: true, ours, theirs: undefined, signed: undefined }) };
}

/** Takes the other side's stop and stops too. Its nonce may only ever be announced once. */
export function receiveStop(state: ChannelState, theirs: bigint): Step {
  const stop = state.terms.stop;
  if (stop?.theirs !== undefined) {
    return stop.theirs === theirs ? { ok: true, state } : refuse("nonce_fork", { nonce: theirs });
  }
  const refused = cannotStop(state);
  if (refused !== undefined) return refused;
  if (theirs < state.received.nonce) return refuse("nonce_fork", { nonce: theirs });
  const base = stop ?? { wanted: false, ours: state.sent.nonce, signed: undefined };
  return { ok: true, state: withStop(state, { ...base, theirs }) };
}

/** Both have stopped, each has acknowledged the other's last update, and nothing of ours is known to be lost. */
export function isQuiescent(state: ChannelState): boolean {
  const stop = state.terms.stop;
  return (
    stop?.theirs !== undefined &&
    state.behind === undefined &&
    state.acknowledged === stop.ours &&
    state.accepted === stop.theirs &&
    state.received.nonce === stop.theirs
  );
}

/** The totals both sides agree on: what each payee has accepted. */
export function closeTotals(state: ChannelState): { transferred0: bigint; transferred1: bigint } {
  const ours = state.sent.transferred;
  const theirs = state.received.transferred;
  return state.side === 0
    ? { transferred0: ours, transferred1: theirs }
    : { transferred0: theirs, transferred1: ours };
}

/**
 * Signs the cooperative close. Side 0 signs first and chooses the deadline, side 1 countersigns what it received, so
 * that there is one agreement only: before that, no deadline suits side 1. The caller persists before the signature
 * leaves.
 */
export function signClose(state: ChannelState, deadline: bigint, ports: LedgerPorts): SignStep {
  const signed = state.terms.stop?.signed;
  if (state.side === 1 && signed === undefined)
    return refuse("deadline_out_of_bounds", { deadline, latest: 0n });
  return addSignature(state, deadline, ports);
}

function addSignature(state: ChannelState, deadline: bigint, ports: LedgerPorts): SignStep {
  const stop = state.terms.stop;
  if (stop === undefined || !isQuiescent(state) || state.terms.phase !== "open") {
    return refuse("updates_outstanding", { nonce: state.sent.nonce, acknowledged: state.acknowledged });
  }
  if (stop.signed !== undefined) return { ok: true, state, close: stop.signed };
  const none: readonly [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  const unsigned: SignedClose = { ...closeTotals(state), deadline, signatures: none };
  const signature = ports.crypto.ecdsa.sign(
    ports.digests.cooperativeClose(state.idBytes, unsigned),
    ports.signerKey,
  );
  const close = { ...unsigned, signatures: withSide(none, state.side, signature) };
  return { ok: true, state: withStop(state, { ...stop, signed: close }), close };
}

/**
 * Takes the other side's signature. Side 1 countersigns the same totals and deadline; side 0 completes what it
 * signed first. Other totals than ours, or a deadline more than an hour beyond the newest block, are refused.
 */
export function receiveCloseSignature(
  state: ChannelState,
  close: { transferred0: bigint; transferred1: bigint; deadline: bigint; signature: Uint8Array },
  newest: bigint,
  ports: LedgerPorts,
): SignStep {
  const stop = state.terms.stop;
  if (stop === undefined || !isQuiescent(state)) {
    return refuse("updates_outstanding", { nonce: state.sent.nonce, acknowledged: state.acknowledged });
  }
  const totals = closeTotals(state);
  if (close.transferred0 !== totals.transferred0 || close.transferred1 !== totals.transferred1) {
    return refuse("close_totals_mismatch", totals);
  }
  const { deadline } = close;
  const latest = newest + MAX_SIGNED_DEADLINE;
  const known = stop.signed;
  if (known === undefined && (state.side === 0 || deadline > latest || deadline <= newest)) {
    return refuse("deadline_out_of_bounds", { deadline, latest });
  }
  if (known !== undefined && known.deadline !== deadline) {
    return refuse("deadline_out_of_bounds", { deadline, latest: known.deadline });
  }
  const digest = ports.digests.cooperativeClose(state.idBytes, close);
  if (!isCounterparty(state, digest, close.signature, ports))
    return refuse("signature_invalid", { nonce: 0n });
  const step: SignStep =
    known === undefined ? addSignature(state, deadline, ports) : { ok: true, state, close: known };
  if (!step.ok) return step;
  const theirs = otherSide(state.side);
  if (equalBytes(step.close.signatures[theirs], close.signature)) return step;
  const complete = { ...step.close, signatures: withSide(step.close.signatures, theirs, close.signature) };
  const signedStop = { ...step.state.terms.stop!, signed: complete };
  return { ok: true, state: withStop(step.state, signedStop), close: complete };
}

/** Both signatures are here: anyone may bring it on chain. */
export function isComplete(close: SignedClose): boolean {
  return close.signatures[0].length > 0 && close.signatures[1].length > 0;
}

/**
 * Payments have stopped for a cooperative close, by our word or the other side's, and no agreement with a deadline is at
 * hand that would end this: the other side can leave it so for ever.
 */
export function isHalted({ terms }: ChannelState): boolean {
  const { phase, stop, credited } = terms;
  if (phase !== "open" || (stop?.signed !== undefined && isComplete(stop.signed))) return false;
  return stop !== undefined || credited.closeLive;
}

/** Notes since when the channel is halted; `now` is the later of the newest block's time and our clock. */
export function noteHalt(state: ChannelState, now: bigint): ChannelState {
  if (isHalted(state)) {
    return state.terms.haltedSince === undefined ? withTerms(state, { haltedSince: now }) : state;
  }
  return state.terms.haltedSince === undefined ? state : withTerms(state, { haltedSince: undefined });
}

/**
 * Ends a cooperative close whose deadline lies before confirmed time and that never reached the chain: payments may
 * go on. A stop that nobody signed is left alone: it has no deadline to lapse, and the other side holds us to the last update
 * that we announced. Only closing alone ends that one.
 */
export function lapseClose(state: ChannelState, confirmedTime: bigint): ChannelState {
  const stop = state.terms.stop;
  if (stop?.signed === undefined || stop.signed.deadline >= confirmedTime) return state;
  if (state.terms.phase !== "open") return state;
  return withStop(state, undefined);
}

import { MAX_DEPOSIT } from "../amount.ts";
import { equalBytes } from "../bytes.ts";
import { otherSide, participantOf, type Side } from "../channel.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { backing, countedWithdrawn, recounted, sendCapacity } from "./capacity.ts";
import {
  type ChannelState,
  isCounterparty,
  type LedgerPorts,
  type LiveWithdrawal,
  type Terms,
  withSide,
} from "./state.ts";

/** Signed deadlines lie at most this far beyond the newest block, so that a live signature binds for a bounded time. */
export const MAX_SIGNED_DEADLINE = 3600n;

export type WithdrawStep =
  | { readonly ok: true; readonly state: ChannelState; readonly withdrawal: LiveWithdrawal }
  | Refusal;

export function liveWithdrawal(terms: Terms, beneficiary: Side): LiveWithdrawal | undefined {
  return terms.withdrawals.find((withdrawal) => withdrawal.beneficiary === beneficiary);
}

function cannotWithdraw(state: ChannelState, deadline: bigint, newest: bigint): Refusal | undefined {
  const { terms } = state;
  if (terms.phase !== "open") return refuse("channel_not_open", { phase: terms.phase });
  if (state.behind !== undefined) return refuse("channel_behind", { nonce: state.behind.nonce });
  if (terms.stop !== undefined) return refuse("channel_stopped", {});
  const latest = newest + MAX_SIGNED_DEADLINE;
  if (deadline <= newest || deadline > latest) return refuse("deadline_out_of_bounds", { deadline, latest });
  return undefined;
}

function digestOf(state: ChannelState, withdrawal: LiveWithdrawal, { digests }: LedgerPorts): Uint8Array {
  return digests.withdrawal(state.idBytes, {
    participant: participantOf(state.terms.channel, withdrawal.beneficiary),
    totalWithdrawn: withdrawal.total,
    deadline: withdrawal.deadline,
  });
}

function replacing(terms: Terms, withdrawal: LiveWithdrawal): Terms {
  const others = terms.withdrawals.filter((other) => other.beneficiary !== withdrawal.beneficiary);
  return recounted({ ...terms, withdrawals: [...others, withdrawal] });
}

/**
 * Whether a withdrawal up to `total` until `deadline` may take the place of `live`: totals are cumulative, so whatever the
 * chain and its reorganisations make of both, no more than the greater total leaves, and no later than the later deadline.
 */
function outdoes(live: LiveWithdrawal, total: bigint, deadline: bigint): boolean {
  return total > live.total && deadline >= live.deadline;
}

/**
 * Proposes that we withdraw up to the cumulative `total`. It counts as withdrawn from now until its deadline has
 * passed unused; only the beneficiary proposes. One that the chain has paid gives way to the next at once.
 * `newest` is the newest block's time.
 */
export function proposeWithdrawal(
  state: ChannelState,
  total: bigint,
  deadline: bigint,
  newest: bigint,
  ports: LedgerPorts,
): WithdrawStep {
  const refused = cannotWithdraw(state, deadline, newest);
  if (refused !== undefined) return refused;
  const { side, terms } = state;
  const live = liveWithdrawal(terms, side);
  if (live !== undefined && (terms.chain.withdrawn[side] < live.total || deadline < live.deadline)) {
    return refuse("withdrawal_pending", { deadline: live.deadline });
  }
  const current = countedWithdrawn(terms, side);
  if (total <= current || total > MAX_DEPOSIT) return refuse("withdrawal_below_current", { current, total });
  const available = sendCapacity(state) + current;
  if (total > available) return refuse("withdrawal_exceeds_balance", { available, total });
  const unsigned: LiveWithdrawal = {
    beneficiary: side,
    total,
    deadline,
    signatures: [new Uint8Array(0), new Uint8Array(0)],
  };
  const withdrawal = signed(state, unsigned, ports);
  return { ok: true, state: { ...state, terms: replacing(terms, withdrawal) }, withdrawal };
}

function signed(state: ChannelState, withdrawal: LiveWithdrawal, ports: LedgerPorts): LiveWithdrawal {
  const signature = ports.crypto.ecdsa.sign(digestOf(state, withdrawal, ports), ports.signerKey);
  return { ...withdrawal, signatures: withSide(withdrawal.signatures, state.side, signature) };
}

/**
 * Countersigns the other side's proposal if what it may have left covers it. From here on it counts as withdrawn.
 * The identical proposal again gets the identical answer.
 */
export function signWithdrawal(
  state: ChannelState,
  proposal: { readonly total: bigint; readonly deadline: bigint; readonly signature: Uint8Array },
  newest: bigint,
  ports: LedgerPorts,
): WithdrawStep {
  const { terms } = state;
  const beneficiary = otherSide(state.side);
  const live = liveWithdrawal(terms, beneficiary);
  if (live !== undefined) {
    const same =
      live.total === proposal.total &&
      live.deadline === proposal.deadline &&
      equalBytes(live.signatures[beneficiary], proposal.signature);
    if (same) return { ok: true, state, withdrawal: live };
    if (!outdoes(live, proposal.total, proposal.deadline)) {
      return refuse("withdrawal_pending", { deadline: live.deadline });
    }
  }
  const refused = cannotWithdraw(state, proposal.deadline, newest);
  if (refused !== undefined) return refused;
  const { total, deadline } = proposal;
  const current = countedWithdrawn(terms, beneficiary);
  if (total <= current || total > MAX_DEPOSIT) return refuse("withdrawal_below_current", { current, total });
  const available = backing(state) + current - state.received.transferred - state.received.locked;
  if (total > available) return refuse("withdrawal_exceeds_balance", { available, total });
  const none: readonly [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  const theirs: LiveWithdrawal = {
    beneficiary,
    total,
    deadline,
    signatures: withSide(none, beneficiary, proposal.signature),
  };
  if (!isCounterparty(state, digestOf(state, theirs, ports), proposal.signature, ports)) {
    return refuse("signature_invalid", { nonce: 0n });
  }
  const withdrawal = signed(state, theirs, ports);
  return { ok: true, state: { ...state, terms: replacing(terms, withdrawal) }, withdrawal };
}

/** Takes the counterparty's signature on our proposal: it can now be published. */
export function receiveWithdrawalSignature(
  state: ChannelState,
  answer: { readonly total: bigint; readonly deadline: bigint; readonly signature: Uint8Array },
  ports: LedgerPorts,
): WithdrawStep {
  const live = liveWithdrawal(state.terms, state.side);
  if (live === undefined || live.total !== answer.total || live.deadline !== answer.deadline) {
    return refuse("deadline_out_of_bounds", { deadline: answer.deadline, latest: live?.deadline ?? 0n });
  }
  if (!isCounterparty(state, digestOf(state, live, ports), answer.signature, ports)) {
    return refuse("signature_invalid", { nonce: 0n });
  }
  const signatures = withSide(live.signatures, otherSide(state.side), answer.signature);
  const withdrawal = { ...live, signatures };
  return { ok: true, state: { ...state, terms: replacing(state.terms, withdrawal) }, withdrawal };
}

/**
 * Forgets withdrawals that can no longer be used: a block **beyond** the deadline is confirmed. Those that reached
 * the chain are in the chain's totals by then.
 */
export function lapseWithdrawals(state: ChannelState, confirmedTime: bigint): ChannelState {
  const withdrawals = state.terms.withdrawals.filter((withdrawal) => withdrawal.deadline >= confirmedTime);
  if (withdrawals.length === state.terms.withdrawals.length) return state;
  return { ...state, terms: recounted({ ...state.terms, withdrawals }) };
}

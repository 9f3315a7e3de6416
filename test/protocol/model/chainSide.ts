import {
  type ChainReading,
  type ChannelState,
  type Dispute,
  disputeOf,
  isComplete,
  lapseClose,
  lapseWithdrawals,
  liveWithdrawal,
  observeChain,
  observeRecorded,
  observeSettled,
} from "../../../src/protocol/index.ts";
import {
  challenge,
  closeCooperatively,
  type EscrowChain,
  type EscrowState,
  settle,
  startClose,
  type Transaction,
  withdraw,
} from "./escrow.ts";

function readingOf(state: EscrowState): ChainReading {
  const { status, deposits, withdrawn, deadline, recorded } = state;
  return { status, deposits, withdrawn, deadline, recorded: [recorded[0].nonce, recorded[1].nonce] };
}

/** `state` after a look at `chain`. What lapses does so by the time of the very block whose state was read. */
export function observed(state: ChannelState, { confirmed, newest }: EscrowChain): ChannelState {
  const { recorded, shares } = confirmed.state;
  let next = observeChain(state, readingOf(confirmed.state), readingOf(newest.state));
  if (shares !== undefined && next.terms.phase !== "settled") {
    for (const side of [0, 1] as const) {
      if (recorded[side].nonce > 0n) next = observeRecorded(next, side, recorded[side].nonce);
    }
    next = observeSettled(next, shares);
  }
  return lapseClose(lapseWithdrawals(next, confirmed.time), confirmed.time);
}

/** What a closing channel makes its owner publish. */
export function disputed(
  state: ChannelState,
  { newest }: EscrowChain,
): { readonly kind: Dispute["kind"]; readonly transaction: Transaction } | undefined {
  const dispute = disputeOf(state, readingOf(newest.state), newest.time);
  switch (dispute?.kind) {
    case undefined:
      return undefined;
    case "settle":
      return { kind: "settle", transaction: settle };
    case "startClose":
      return { kind: "startClose", transaction: startClose(state.side, dispute.proof) };
    case "challenge":
      return { kind: "challenge", transaction: challenge(dispute.payer, dispute.proof) };
  }
}

/** What both have signed. */
export function publishable(
  state: ChannelState,
): { readonly what: string; readonly transaction: Transaction }[] {
  const found: { what: string; transaction: Transaction }[] = [];
  const live = liveWithdrawal(state.terms, state.side);
  if (live?.signatures.every((signature) => signature.length > 0)) {
    const transaction = withdraw(state.side, live.total, live.deadline, live.signatures);
    found.push({ what: "withdrawals published", transaction });
  }
  const close = state.terms.stop?.signed;
  if (close !== undefined && isComplete(close)) {
    found.push({ what: "closes published", transaction: closeCooperatively(close, close.signatures) });
  }
  return found;
}

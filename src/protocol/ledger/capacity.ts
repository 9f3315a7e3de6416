import { maxAmount } from "../amount.ts";
import { otherSide, type Side } from "../channel.ts";
import type { ChannelState, Credits, Terms } from "./state.ts";

/** What counts as withdrawn by `side`: the chain at zero confirmations, or a live signature if that is more. */
export function countedWithdrawn(terms: Terms, side: Side): bigint {
  let total = terms.chain.withdrawn[side];
  for (const withdrawal of terms.withdrawals) {
    if (withdrawal.beneficiary === side) total = maxAmount(total, withdrawal.total);
  }
  return total;
}

/**
 * What this node can still send: the payee's credited deposit of ours − withdrawn + received − sent − locked.
 * Negative only if the payee lowered what it credits (a reorganisation took a deposit away).
 */
export function sendCapacity(state: ChannelState): bigint {
  const { terms, side } = state;
  const withdrawn = maxAmount(terms.credited.withdrawn[side], countedWithdrawn(terms, side));
  return (
    terms.credited.deposits[side] -
    withdrawn +
    state.received.transferred -
    state.sent.transferred -
    state.sent.locked
  );
}

/** What a settlement by the newest proofs would pay us, of confirmed deposits. */
export function balance(state: ChannelState): bigint {
  const { terms, side, received, sent } = state;
  const deposited = terms.chain.deposits[side] - countedWithdrawn(terms, side);
  return deposited + received.transferred - sent.transferred;
}

/**
 * What this node lets the other side still send. It counts everything we ever sent, received or not, so it is never
 * less than what an honest payer computes for itself.
 */
export function receiveCapacity(state: ChannelState): bigint {
  return backing(state) - state.received.transferred - state.received.locked;
}

/**
 * What the other side may have transferred and locked in total, by what we announced. A newer proof of ours that we
 * lost and that was returned counts at once: its honest holder has been spending from it.
 */
export function backing(state: ChannelState): bigint {
  const payer = otherSide(state.side);
  const { announced } = state.terms;
  const sent = maxAmount(state.sent.transferred, state.behind?.transferred ?? 0n);
  return announced.deposits[payer] - announced.withdrawn[payer] + sent;
}

/**
 * What we announce now, from the chain, live signatures and a close of either kind; a new sequence only if something
 * changed.
 */
export function recountCredits(terms: Terms): Credits {
  const { announced, chain } = terms;
  const withdrawn = [countedWithdrawn(terms, 0), countedWithdrawn(terms, 1)] as const;
  const closeLive = terms.stop !== undefined || terms.phase === "closing" || terms.phase === "settled";
  const same =
    announced.deposits[0] === chain.deposits[0] &&
    announced.deposits[1] === chain.deposits[1] &&
    announced.withdrawn[0] === withdrawn[0] &&
    announced.withdrawn[1] === withdrawn[1] &&
    announced.closeLive === closeLive;
  if (same) return announced;
  return { deposits: chain.deposits, withdrawn, closeLive, sequence: announced.sequence + 1n };
}

/** `terms` with its announcement brought up to date. */
export function recounted(terms: Terms): Terms {
  const announced = recountCredits(terms);
  return announced === terms.announced ? terms : { ...terms, announced };
}

import {
  type BalanceProof,
  type ChannelState,
  type CooperativeClose,
  type Credits,
  fromHex,
  nextProof,
  otherSide,
  participantOf,
  type Reestablish,
  type Side,
  type SignedProof,
  type Update,
} from "../../../src/protocol/index.ts";
import {
  CHANNEL,
  CHANNEL_ID,
  crypto,
  digests,
  KEYS,
  payments,
  portsOf,
  STRANGER_KEY,
} from "../support/channel.ts";
import type { WithdrawalMessage } from "./message.ts";

/** What a thief can put on the wire with its own key and a number to choose by. */

const ID = fromHex(CHANNEL_ID);
/** Fits the wire and nothing else. */
const HUGE = (1n << 255n) + 12345n;

export function pick<T>(list: readonly T[], n: number): T | undefined {
  return list[n % Math.max(1, list.length)];
}

/** The update that follows `state.sent` with `entries`, its proof changed and signed all the same. */
export function signedUpdate(
  state: ChannelState,
  entries: Uint8Array,
  change: Partial<SignedProof>,
  key: Uint8Array = KEYS[state.side],
): Update {
  const next = nextProof(state.sent, entries, portsOf(state.side));
  const proof: BalanceProof = { ...(next.ok ? next.proof : state.sent), ...change };
  const signature = change.signature ?? crypto.ecdsa.sign(digests.balanceProof(ID, proof), key);
  return { proof: { ...proof, signature }, entries, creditedSequence: state.terms.credited.sequence };
}

/** An update that is wrong in one way, or in none. */
export function forgedUpdate(state: ChannelState, n: number): Update {
  const { nonce, transferred } = state.sent;
  const entries = payments(BigInt(1 + (n % 50)));
  const word = new Uint8Array(32).fill(n % 256);
  const ways: readonly (() => Update)[] = [
    () => signedUpdate(state, entries, { transferred: transferred + BigInt(n % 7) }),
    () => signedUpdate(state, entries, { transferred: HUGE }),
    () => signedUpdate(state, entries, { locked: BigInt(n) }),
    () => signedUpdate(state, entries, { locksRoot: word }),
    () => signedUpdate(state, entries, { history: word }),
    () => signedUpdate(state, entries, { nonce: nonce + BigInt(n % 4) }),
    () => signedUpdate(state, entries, {}, STRANGER_KEY),
    () =>
      signedUpdate(
        state,
        entries,
        {},
        KEYS[otherSide(state.side)].map((byte) => byte ^ 1),
      ),
    () => signedUpdate(state, entries, { signature: new Uint8Array(n % 66).fill(1) }),
    () => signedUpdate(state, new Uint8Array(n % 200).fill(n % 6), {}),
    () => signedUpdate(state, payments(1n, (1n << 128n) - 1n), {}),
    () => ({ ...signedUpdate(state, entries, {}), entries: payments(BigInt(n)) }),
  ];
  return pick(ways, Math.floor(n / 3))!();
}

/** Credits that say too much, too little, or something else under a known sequence. */
export function falseCredits(announced: Credits, n: number): Credits {
  const lies: readonly Partial<Credits>[] = [
    { deposits: [HUGE, HUGE] },
    { deposits: [announced.deposits[0] + 500n, announced.deposits[1] + 500n] },
    { withdrawn: [0n, 0n] },
    { withdrawn: [HUGE, HUGE] },
    { closeLive: !announced.closeLive },
    { deposits: [0n, 0n] },
  ];
  const sequence = announced.sequence + BigInt(n % 4);
  return { ...announced, ...pick(lies, Math.floor(n / 4))!, sequence };
}

/** A proof and a nonce that do not belong together: old, inflated, forged, or of another history. */
export function falseReestablish(state: ChannelState, old: SignedProof, n: number): Reestablish {
  const inflated = { ...old, nonce: old.nonce + 5n, transferred: old.transferred + 500n };
  const own = signedUpdate(state, payments(1n), { nonce: old.nonce + 3n }).proof;
  const received = pick([old, state.received, inflated, own, { ...old, history: own.history }], n)!;
  const nonces = [0n, state.sent.nonce, state.sent.nonce + 7n, (1n << 64n) - 1n];
  return { sentNonce: pick(nonces, Math.floor(n / 5))!, received, credited: state.terms.announced };
}

export function signedWithdrawal(
  beneficiary: Side,
  total: bigint,
  deadline: bigint,
  key: Uint8Array,
): WithdrawalMessage {
  const terms = { participant: participantOf(CHANNEL, beneficiary), totalWithdrawn: total, deadline };
  return { total, deadline, signature: crypto.ecdsa.sign(digests.withdrawal(ID, terms), key) };
}

/** A cooperative close whose totals are the thief's, or a little better for it. */
export function falseClose(
  state: ChannelState,
  deadline: bigint,
  n: number,
): CooperativeClose & { readonly signature: Uint8Array } {
  const less = n % 2 === 0 ? 0n : BigInt(n % 90);
  const own = state.sent.transferred > less ? state.sent.transferred - less : 0n;
  const theirs = state.received.transferred + BigInt(n % 4 < 2 ? 0 : n % 90);
  const close = {
    transferred0: state.side === 0 ? own : theirs,
    transferred1: state.side === 0 ? theirs : own,
    deadline,
  };
  return { ...close, signature: crypto.ecdsa.sign(digests.cooperativeClose(ID, close), KEYS[state.side]) };
}

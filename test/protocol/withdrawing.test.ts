import { describe, expect, it } from "vitest";
import {
  type ChannelState,
  countedWithdrawn,
  lapseWithdrawals,
  liveWithdrawal,
  MAX_DEPOSIT,
  MAX_SIGNED_DEADLINE,
  observeChain,
  proposeWithdrawal,
  receiveCapacity,
  receiveUpdates,
  receiveWithdrawalSignature,
  type Side,
  sendCapacity,
  sendUpdate,
  signWithdrawal,
  startClosing,
  type WithdrawStep,
} from "../../src/protocol/index.ts";
import {
  announced,
  CHANNEL,
  codeOf,
  crypto,
  digests,
  KEYS,
  NOW,
  observed,
  openPair,
  paid,
  payments,
  portsOf,
  reading,
  STRANGER_KEY,
  sent,
  unwrap,
} from "./support/channel.ts";

const DEADLINE = NOW + 600n;

function propose(state: ChannelState, total: bigint, deadline = DEADLINE): WithdrawStep {
  return proposeWithdrawal(state, total, deadline, NOW, portsOf(state.side));
}

/** The wire's view of a withdrawal, with `side`'s signature. */
function messageOf(step: WithdrawStep, side: Side) {
  const { total, deadline, signatures } = unwrap(step).withdrawal;
  return { total, deadline, signature: signatures[side] };
}

/** Side 0's proposal as whoever holds `key` would sign it. */
function proposalBy(key: Uint8Array, total: bigint, deadline = DEADLINE) {
  const terms = { participant: CHANNEL.participant0, totalWithdrawn: total, deadline };
  return {
    total,
    deadline,
    signature: crypto.ecdsa.sign(digests.withdrawal(openPair()[0].idBytes, terms), key),
  };
}

function sign(state: ChannelState, proposal: ReturnType<typeof proposalBy>): WithdrawStep {
  return signWithdrawal(state, proposal, NOW, portsOf(state.side));
}

describe("proposing a withdrawal", () => {
  it("counts as withdrawn from that moment, for everyone we announce it to", () => {
    const [a] = openPair();
    const step = unwrap(propose(a, 400n));
    expect(sendCapacity(step.state)).toBe(600n);
    expect(countedWithdrawn(step.state.terms, 0)).toBe(400n);
    expect(step.state.terms.announced.withdrawn).toEqual([400n, 0n]);
    expect(codeOf(sendUpdate(step.state, payments(601n), portsOf(0)))).toBe("insufficient_capacity");
  });

  it("may take everything the side has, deposited or received, and not one unit more", () => {
    const [, b] = paid(openPair(), 0, 300n);
    expect(codeOf(propose(b, 1301n))).toBe("withdrawal_exceeds_balance");
    expect(sendCapacity(unwrap(propose(b, 1300n)).state)).toBe(0n);
    const [a] = paid(openPair(), 0, 300n);
    expect(codeOf(propose(a, 701n))).toBe("withdrawal_exceeds_balance");
    expect(propose(a, 700n).ok).toBe(true);
  });

  it("is cumulative: only beyond what is counted, and within what the escrow can store", () => {
    const [a] = announced([
      observed(openPair()[0], { withdrawn: [100n, 0n] }),
      observed(openPair()[1], { withdrawn: [100n, 0n] }),
    ]);
    expect(codeOf(propose(a, 100n))).toBe("withdrawal_below_current");
    expect(codeOf(propose(a, 0n))).toBe("withdrawal_below_current");
    expect(codeOf(propose(a, MAX_DEPOSIT + 1n))).toBe("withdrawal_below_current");
    expect(propose(a, 1000n).ok).toBe(true);
    expect(codeOf(propose(a, 1001n))).toBe("withdrawal_exceeds_balance");
    const rich = openPair({ deposits: [MAX_DEPOSIT, MAX_DEPOSIT] })[0];
    expect(propose(rich, MAX_DEPOSIT).ok).toBe(true);
  });

  it("needs a deadline beyond the newest block by at most an hour, and an open channel", () => {
    const [a] = openPair();
    expect(codeOf(propose(a, 1n, NOW))).toBe("deadline_out_of_bounds");
    expect(codeOf(propose(a, 1n, NOW + MAX_SIGNED_DEADLINE + 1n))).toBe("deadline_out_of_bounds");
    expect(propose(a, 1n, NOW + 1n).ok).toBe(true);
    expect(propose(a, 1n, NOW + MAX_SIGNED_DEADLINE).ok).toBe(true);
    expect(codeOf(propose(startClosing(a), 1n))).toBe("channel_not_open");
  });

  it("comes after the one before it: once the chain has paid that, and with no earlier deadline", () => {
    const [a] = openPair();
    const live = unwrap(propose(a, 100n)).state;
    expect(codeOf(propose(live, 150n))).toBe("withdrawal_pending");
    const part = observed(live, { withdrawn: [99n, 0n] });
    expect(codeOf(propose(part, 150n))).toBe("withdrawal_pending");
    const paid = observed(live, { withdrawn: [100n, 0n] });
    expect(codeOf(propose(paid, 150n, DEADLINE - 1n))).toBe("withdrawal_pending");
    const next = unwrap(propose(paid, 150n)).state;
    expect(next.terms.withdrawals.map(({ total }) => total)).toEqual([150n]);
    expect(countedWithdrawn(next.terms, 0)).toBe(150n);
  });
});

describe("countersigning a withdrawal", () => {
  it("leaves two signatures that the escrow takes, and both sides counting it", () => {
    const [a, b] = openPair();
    const proposed = propose(a, 400n);
    const countersigned = sign(b, messageOf(proposed, 0));
    const completed = unwrap(
      receiveWithdrawalSignature(unwrap(proposed).state, messageOf(countersigned, 1), portsOf(0)),
    );
    const terms = { participant: CHANNEL.participant0, totalWithdrawn: 400n, deadline: DEADLINE };
    for (const side of [0, 1] as const) {
      const key = crypto.ecdsa.recover(
        digests.withdrawal(a.idBytes, terms),
        completed.withdrawal.signatures[side],
      );
      expect(key).toEqual(crypto.ecdsa.publicKey(KEYS[side]));
    }
    const payee = unwrap(countersigned).state;
    expect(receiveCapacity(payee)).toBe(600n);
    expect(payee.terms.announced.withdrawn).toEqual([400n, 0n]);
    expect(liveWithdrawal(completed.state.terms, 0)).toEqual(liveWithdrawal(payee.terms, 0));
  });

  it("refuses payments that would spend it a second time", () => {
    const [a, b] = openPair();
    const payee = unwrap(sign(b, proposalBy(KEYS[0], 400n))).state;
    const cheat = sent(a, 601n).update;
    expect(receiveUpdates(payee, [cheat], portsOf(1)).taken).toBe(0);
    expect(receiveUpdates(payee, [sent(a, 600n).update], portsOf(1)).taken).toBe(1);
  });

  it("covers it by what the other side may have left, received and sent included", () => {
    const [, b] = paid(paid(openPair(), 0, 300n), 1, 50n);
    expect(codeOf(sign(b, proposalBy(KEYS[0], 751n)))).toBe("withdrawal_exceeds_balance");
    expect(sign(b, proposalBy(KEYS[0], 750n)).ok).toBe(true);
    const holding = { ...b, received: { ...b.received, locked: 1n } };
    expect(codeOf(sign(holding, proposalBy(KEYS[0], 750n)))).toBe("withdrawal_exceeds_balance");
  });

  it("counts earlier withdrawals once, whether on chain or announced", () => {
    const state = observed(openPair()[1], { withdrawn: [100n, 0n] });
    expect(codeOf(sign(state, proposalBy(KEYS[0], 1001n)))).toBe("withdrawal_exceeds_balance");
    expect(codeOf(sign(state, proposalBy(KEYS[0], 100n)))).toBe("withdrawal_below_current");
    expect(codeOf(sign(state, proposalBy(KEYS[0], MAX_DEPOSIT + 1n)))).toBe("withdrawal_below_current");
    expect(receiveCapacity(unwrap(sign(state, proposalBy(KEYS[0], 1000n))).state)).toBe(0n);
  });

  it("takes only the beneficiary's signature", () => {
    const [, b] = openPair();
    for (const key of [KEYS[1], STRANGER_KEY]) {
      expect(codeOf(sign(b, proposalBy(key, 1n)))).toBe("signature_invalid");
    }
  });

  it("answers the identical proposal identically, and another only where both together give no more", () => {
    const [, b] = openPair();
    const first = unwrap(sign(b, proposalBy(KEYS[0], 400n)));
    expect(unwrap(sign(first.state, proposalBy(KEYS[0], 400n))).withdrawal).toBe(first.withdrawal);
    expect(codeOf(sign(first.state, proposalBy(KEYS[0], 399n)))).toBe("withdrawal_pending");
    expect(codeOf(sign(first.state, proposalBy(KEYS[0], 401n, DEADLINE - 1n)))).toBe("withdrawal_pending");
    expect(codeOf(sign(first.state, proposalBy(KEYS[0], 400n, DEADLINE + 1n)))).toBe("withdrawal_pending");
    const other = { ...proposalBy(KEYS[0], 400n), signature: new Uint8Array(65) };
    expect(codeOf(sign(first.state, other))).toBe("withdrawal_pending");
  });

  it("counts the greater of two for as long as either binds, whatever a reorganisation makes of the chain", () => {
    const [, b] = openPair();
    const first = unwrap(sign(b, proposalBy(KEYS[0], 400n))).state;
    const second = unwrap(
      sign(observed(first, { withdrawn: [400n, 0n] }), proposalBy(KEYS[0], 900n, DEADLINE + 1n)),
    );
    expect(codeOf(sign(second.state, proposalBy(KEYS[0], 1001n, DEADLINE + 2n)))).toBe(
      "withdrawal_exceeds_balance",
    );
    const gone = observed(second.state, { withdrawn: [0n, 0n] });
    expect(countedWithdrawn(lapseWithdrawals(gone, DEADLINE + 1n).terms, 0)).toBe(900n);
    const over = lapseWithdrawals(gone, DEADLINE + 2n);
    expect(countedWithdrawn(over.terms, 0)).toBe(0n);
    expect(countedWithdrawn(lapseWithdrawals(second.state, DEADLINE + 2n).terms, 0)).toBe(400n);
  });

  it("refuses far deadlines and channels that are not open", () => {
    const [, b] = openPair();
    expect(codeOf(sign(b, proposalBy(KEYS[0], 1n, NOW)))).toBe("deadline_out_of_bounds");
    const far = NOW + MAX_SIGNED_DEADLINE + 1n;
    expect(codeOf(sign(b, proposalBy(KEYS[0], 1n, far)))).toBe("deadline_out_of_bounds");
    expect(codeOf(sign(startClosing(b), proposalBy(KEYS[0], 1n)))).toBe("channel_not_open");
  });

  it("keeps both sides' withdrawals apart", () => {
    const [a, b] = openPair();
    const theirs = unwrap(sign(b, messageOf(propose(a, 400n), 0))).state;
    const both = unwrap(propose(theirs, 1000n)).state;
    expect(both.terms.withdrawals).toHaveLength(2);
    expect(both.terms.announced.withdrawn).toEqual([400n, 1000n]);
  });
});

describe("the countersignature coming back", () => {
  it("is taken only for what was proposed, and only if it is the other side's", () => {
    const [a, b] = openPair();
    const proposed = propose(a, 400n);
    const answer = messageOf(sign(b, messageOf(proposed, 0)), 1);
    const { state } = unwrap(proposed);
    const take = (on: ChannelState, message: typeof answer) =>
      receiveWithdrawalSignature(on, message, portsOf(0));
    expect(codeOf(take(a, answer))).toBe("deadline_out_of_bounds");
    expect(codeOf(take(state, { ...answer, total: 401n }))).toBe("deadline_out_of_bounds");
    expect(codeOf(take(state, { ...answer, deadline: DEADLINE - 1n }))).toBe("deadline_out_of_bounds");
    const own = { ...answer, signature: messageOf(proposed, 0).signature };
    expect(codeOf(take(state, own))).toBe("signature_invalid");
    expect(take(state, answer).ok).toBe(true);
  });
});

describe("a withdrawal that lapsed", () => {
  it("counts until a block beyond its deadline is confirmed", () => {
    const [a] = openPair();
    const { state } = unwrap(propose(a, 400n));
    expect(lapseWithdrawals(state, DEADLINE)).toBe(state);
    const lapsed = lapseWithdrawals(state, DEADLINE + 1n);
    expect(sendCapacity(lapsed)).toBe(1000n);
    expect(lapsed.terms.announced.withdrawn).toEqual([0n, 0n]);
    expect(lapsed.terms.announced.sequence).toBe(state.terms.announced.sequence + 1n);
  });

  it("gives the payer nothing to spend before the payee says that it lapsed there too", () => {
    const [a, b] = openPair();
    const proposed = unwrap(propose(a, 400n));
    const countersigned = unwrap(sign(b, proposalBy(KEYS[0], 400n))).state;
    const [hearing] = announced([proposed.state, countersigned]);
    const lapsed = lapseWithdrawals(hearing, DEADLINE + 1n);
    expect(sendCapacity(lapsed)).toBe(600n);
    const [told] = announced([lapsed, lapseWithdrawals(countersigned, DEADLINE + 1n)]);
    expect(sendCapacity(told)).toBe(1000n);
  });

  it("stays counted when it reached the chain, from the first sight of it", () => {
    const [, b] = openPair();
    const live = unwrap(sign(b, proposalBy(KEYS[0], 400n))).state;
    const seen = observeChain(live, reading(), reading({ withdrawn: [400n, 0n] }));
    expect(receiveCapacity(lapseWithdrawals(seen, DEADLINE + 1n))).toBe(600n);
    const mined = observeChain(openPair()[1], reading(), reading({ withdrawn: [250n, 0n] }));
    expect(receiveCapacity(mined)).toBe(750n);
    const other = observeChain(openPair()[0], reading(), reading({ withdrawn: [0n, 250n] }));
    expect(receiveCapacity(other)).toBe(750n);
  });
});

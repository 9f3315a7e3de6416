import { describe, expect, it } from "vitest";
import {
  cannotSend,
  disputeOf,
  NO_PROOF,
  observeChain,
  observeRecorded,
  observeSettled,
  receiveStop,
  receiveUpdates,
  signClose,
  startClosing,
} from "../../src/protocol/index.ts";
import {
  CHALLENGE_PERIOD,
  codeOf,
  NOW,
  observed,
  openPair,
  paid,
  portsOf,
  reading,
  received,
  sent,
  unwrap,
} from "./support/channel.ts";

const DEADLINE = NOW + BigInt(CHALLENGE_PERIOD);
const CLOSING = { status: "closing", deadline: DEADLINE } as const;

describe("closing", () => {
  it("begins with our own decision or the first sight of a close, and announces it", () => {
    const [a] = openPair();
    const seen = observeChain(a, reading(), reading(CLOSING));
    for (const state of [startClosing(a), seen]) {
      expect(state.terms.phase).toBe("closing");
      expect(state.terms.announced.closeLive).toBe(true);
      expect(codeOf(cannotSend(state))).toBe("channel_not_open");
      expect(startClosing(state)).toBe(state);
    }
    expect(seen.terms.chain.close).toEqual({ deadline: DEADLINE, recorded: [0n, 0n] });
    expect(observeChain(a, reading(), reading({ status: "settled" })).terms.phase).toBe("closing");
  });

  it("is the same state as long as the chain shows the same", () => {
    const [a] = paid(openPair(), 0, 5n);
    expect(observed(a)).toBe(a);
    const seen = observed(a, CLOSING);
    expect(observed(seen, CLOSING)).toBe(seen);
    for (const change of [
      { deadline: DEADLINE + 1n },
      { recorded: [1n, 0n] as const },
      { recorded: [0n, 1n] as const },
      { deposits: [1001n, 1000n] as const },
      { deposits: [1000n, 1001n] as const },
      { withdrawn: [1n, 0n] as const },
      { withdrawn: [0n, 1n] as const },
    ]) {
      expect(observed(seen, { ...CLOSING, ...change }).terms.chain).not.toBe(seen.terms.chain);
    }
  });

  it("stays closing when a reorganisation removes the close, and closes itself", () => {
    const [, b] = paid(openPair(), 0, 5n);
    const seen = observeChain(b, reading(), reading(CLOSING));
    const removed = observed(seen);
    expect(removed.terms.phase).toBe("closing");
    expect(removed.terms.chain.close).toEqual(seen.terms.chain.close);
    expect(disputeOf(removed, reading(), NOW)).toEqual({ kind: "startClose", proof: b.received });
  });

  it("keeps what arrives as evidence: submitted, not acknowledged", () => {
    const [a, b] = paid(openPair(), 0, 5n);
    const result = receiveUpdates(startClosing(b), [sent(a, 7n).update], portsOf(1));
    expect(result).toMatchObject({ taken: 1, payments: 1, evidence: true });
    expect(result.state.accepted).toBe(1n);
    const dispute = disputeOf(result.state, reading(CLOSING), NOW);
    expect(dispute).toMatchObject({ kind: "challenge", proof: { nonce: 2n, transferred: 12n } });
  });
});

describe("disputing", () => {
  it("starts the close with the latest incoming proof, or none when nothing was received", () => {
    const [a, b] = paid(openPair(), 0, 5n);
    expect(disputeOf(startClosing(b), reading(), NOW)).toEqual({ kind: "startClose", proof: b.received });
    expect(disputeOf(startClosing(a), reading(), NOW)).toEqual({ kind: "startClose", proof: NO_PROOF });
  });

  it("challenges a stale or missing proof of the other side until the deadline, then settles", () => {
    const [, b] = paid(paid(openPair(), 0, 5n), 0, 5n);
    const state = startClosing(b);
    const at = (recorded: readonly [bigint, bigint], now: bigint) =>
      disputeOf(state, reading({ ...CLOSING, recorded }), now);
    const challenge = { kind: "challenge", payer: 0, proof: b.received };
    expect(at([0n, 0n], NOW)).toEqual(challenge);
    expect(at([1n, 9n], DEADLINE - 1n)).toEqual(challenge);
    expect(at([2n, 0n], NOW)).toBeUndefined();
    expect(at([0n, 0n], DEADLINE)).toEqual({ kind: "settle" });
    expect(at([2n, 0n], DEADLINE)).toEqual({ kind: "settle" });
  });

  it("looks at its own incoming direction from either side", () => {
    const [a] = paid(openPair(), 1, 5n);
    const dispute = disputeOf(startClosing(a), reading({ ...CLOSING, recorded: [3n, 0n] }), NOW);
    expect(dispute).toEqual({ kind: "challenge", payer: 1, proof: a.received });
    expect(disputeOf(startClosing(a), reading({ ...CLOSING, recorded: [0n, 1n] }), NOW)).toBeUndefined();
  });

  it("has nothing to do on an open, an unknown or a settled channel", () => {
    const [, b] = paid(openPair(), 0, 5n);
    expect(disputeOf(b, reading(), NOW)).toBeUndefined();
    expect(disputeOf(b, reading(CLOSING), NOW)).toBeUndefined();
    const state = startClosing(b);
    expect(disputeOf(state, reading({ status: "none" }), NOW)).toBeUndefined();
    expect(disputeOf(state, reading({ status: "settled" }), DEADLINE)).toBeUndefined();
  });
});

describe("settled", () => {
  it("keeps what was deposited and withdrawn, which the escrow has forgotten", () => {
    const [a] = openPair();
    const held = observed(a, { withdrawn: [3n, 4n] });
    const empty = reading({ status: "settled", deposits: [0n, 0n], withdrawn: [0n, 0n] });
    const unconfirmed = observeChain(held, reading({ withdrawn: [3n, 4n] }), empty);
    for (const seen of [observeChain(held, empty, empty), observeChain(unconfirmed, empty, empty)]) {
      expect(seen.terms.chain).toMatchObject({ deposits: [1000n, 1000n], withdrawn: [3n, 4n] });
      expect(observeSettled(seen, [997n, 996n]).terms.chain.deposits).toEqual([1000n, 1000n]);
    }
  });

  it("is final", () => {
    const [a] = openPair();
    const settled = observeSettled(startClosing(a), [900n, 1100n]);
    expect(settled.terms.phase).toBe("settled");
    expect(settled.terms.chain.settled).toEqual({ shares: [900n, 1100n] });
    expect(observed(settled, { status: "settled" }).terms.phase).toBe("settled");
    expect(observed(settled).terms.phase).toBe("settled");
    expect(observed(settled, { status: "settled" }).terms.chain.settled).toEqual({ shares: [900n, 1100n] });
    expect(startClosing(settled)).toBe(settled);
    expect(codeOf(cannotSend(settled))).toBe("channel_not_open");
  });

  it("accepts the evidence that the chain paid, and no more", () => {
    const [a, b] = paid(openPair(), 0, 1n);
    const second = sent(a, 2n);
    const third = sent(second.state, 4n);
    const evidence = received(startClosing(b), second.update, third.update);
    expect(evidence.accepted).toBe(1n);
    const recorded = observeRecorded(observeRecorded(evidence, 0, 2n), 1, 9n);
    expect(recorded.terms.chain.close?.recorded).toEqual([2n, 9n]);
    expect(observeRecorded(recorded, 0, 1n)).toBe(recorded);
    expect(observeSettled(recorded, [0n, 0n]).accepted).toBe(2n);
    expect(observeSettled(observeRecorded(recorded, 0, 8n), [0n, 0n]).accepted).toBe(3n);
    expect(observeSettled(evidence, [0n, 0n]).accepted).toBe(1n);
  });

  it("accepts nothing beyond the other side's stop once it signed a cooperative close, which may be what settled", () => {
    const [a, b] = openPair();
    const stopped = unwrap(receiveStop(a, 0n)).state;
    const signed = unwrap(signClose(stopped, NOW + 600n, portsOf(0))).state;
    const evidence = received(signed, sent(b, 5n).update);
    const recorded = observeRecorded(startClosing(evidence), 1, 1n);
    expect(disputeOf(recorded, reading(CLOSING), NOW)).toMatchObject({
      kind: "challenge",
      proof: { nonce: 1n },
    });
    expect(observeSettled(recorded, [1000n, 1000n]).accepted).toBe(0n);
  });
});

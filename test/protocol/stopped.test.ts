import { describe, expect, it } from "vitest";
import {
  balance,
  type ChannelState,
  closeTotals,
  isComplete,
  isHalted,
  isLie,
  isQuiescent,
  lapseClose,
  MAX_SIGNED_DEADLINE,
  noteHalt,
  proposeWithdrawal,
  receiveAck,
  receiveCloseSignature,
  receiveReestablish,
  receiveStop,
  receiveUpdates,
  reestablish,
  type SignedClose,
  sendUpdate,
  signClose,
  startClosing,
  stopForClose,
} from "../../src/protocol/index.ts";
import {
  announced,
  codeOf,
  crypto,
  digests,
  KEYS,
  NOW,
  observed,
  openPair,
  type Pair,
  paid,
  payments,
  portsOf,
  received,
  resigned,
  STRANGER_KEY,
  sent,
  unwrap,
} from "./support/channel.ts";

const DEADLINE = NOW + 600n;

/** Both stopped, everything acknowledged: side 0 paid 300, side 1 paid 100. */
function quiescentPair(): Pair {
  return stopped(paid(paid(openPair(), 0, 300n), 1, 100n));
}

function stopped([a, b]: Pair): Pair {
  const stopA = unwrap(stopForClose(a)).state;
  const stopB = unwrap(receiveStop(b, a.sent.nonce)).state;
  return announced([unwrap(receiveStop(stopA, b.sent.nonce)).state, stopB]);
}

/** What `side` puts on the wire of a close it signed. */
function messageOf(close: SignedClose, side: 0 | 1) {
  return {
    transferred0: close.transferred0,
    transferred1: close.transferred1,
    deadline: close.deadline,
    signature: close.signatures[side],
  };
}

/** A close message signed by `key` over whatever it says. */
function forgedClose(
  state: ChannelState,
  change: Partial<ReturnType<typeof messageOf>>,
  key: Uint8Array = KEYS[0],
) {
  const terms = { ...closeTotals(state), deadline: DEADLINE, ...change };
  const signature = crypto.ecdsa.sign(digests.cooperativeClose(state.idBytes, terms), key);
  return { ...terms, signature, ...change };
}

describe("stopping", () => {
  it("signs no more payments, and neither does the side that heard of it", () => {
    const [a, b] = quiescentPair();
    for (const state of [a, b]) {
      expect(codeOf(sendUpdate(state, payments(1n), portsOf(state.side)))).toBe("channel_stopped");
      expect(state.terms.announced.closeLive).toBe(true);
      expect(codeOf(proposeWithdrawal(state, 1n, DEADLINE, NOW, portsOf(state.side)))).toBe(
        "channel_stopped",
      );
    }
  });

  it("stops for the payee's announcement alone, before its stop arrived", () => {
    const [a, b] = openPair();
    const [hearing] = announced([a, unwrap(stopForClose(b)).state]);
    expect(codeOf(sendUpdate(hearing, payments(1n), portsOf(0)))).toBe("channel_stopped");
  });

  it("still takes and accepts what was sent before the stop", () => {
    const [a, b] = openPair();
    const { state, update } = sent(a, 5n);
    const stopA = unwrap(stopForClose(state)).state;
    const stopB = unwrap(receiveStop(b, stopA.terms.stop!.ours)).state;
    expect(isQuiescent(stopB)).toBe(false);
    const result = receiveUpdates(stopB, [update], portsOf(1));
    expect(result).toMatchObject({ taken: 1, evidence: false });
    expect(result.state.accepted).toBe(1n);
    expect(isQuiescent(result.state)).toBe(true);
    const heardB = unwrap(receiveStop(stopA, stopB.terms.stop!.ours)).state;
    expect(isQuiescent(heardB)).toBe(false);
    expect(isQuiescent(unwrap(receiveAck(heardB, 1n)).state)).toBe(true);
  });

  it("keeps what was signed beyond the announced stop as evidence, and never signs that close", () => {
    const [a, b] = openPair();
    const stopB = unwrap(receiveStop(b, a.sent.nonce)).state;
    const result = receiveUpdates(stopB, [sent(a, 5n).update], portsOf(1));
    expect(result).toMatchObject({ taken: 1, evidence: true });
    expect(result.state.received.transferred).toBe(5n);
    expect(result.state.accepted).toBe(0n);
    expect(isQuiescent(result.state)).toBe(false);
    expect(codeOf(receiveCloseSignature(result.state, forgedClose(b, {}), NOW, portsOf(1)))).toBe(
      "updates_outstanding",
    );
  });

  it("accepts nothing after evidence, so that acknowledged nonces have no gaps", () => {
    const [a, b] = openPair();
    const stopB = unwrap(receiveStop(b, a.sent.nonce)).state;
    const first = sent(a, 5n);
    const evidence = receiveUpdates(stopB, [first.update], portsOf(1)).state;
    const lapsed = { ...evidence, terms: { ...evidence.terms, stop: undefined } };
    const next = receiveUpdates(lapsed, [sent(first.state, 1n).update], portsOf(1));
    expect(next).toMatchObject({ taken: 1, evidence: true });
    expect(next.state.accepted).toBe(0n);
    // Nor is a close ever signed over it, whatever stop is announced next.
    const again = unwrap(receiveStop(unwrap(stopForClose(next.state)).state, 2n)).state;
    expect(isQuiescent(again)).toBe(false);
  });

  it("holds the other side to the one stop it announced", () => {
    const [, b] = paid(openPair(), 0, 5n);
    expect(codeOf(receiveStop(b, 0n))).toBe("nonce_fork");
    const stop = unwrap(receiveStop(b, 3n)).state;
    expect(unwrap(receiveStop(stop, 3n)).state).toBe(stop);
    expect(codeOf(receiveStop(stop, 4n))).toBe("nonce_fork");
    expect(codeOf(receiveStop(stop, 2n))).toBe("nonce_fork");
  });

  it("remembers who wanted it, and its own first last nonce", () => {
    const [, b] = openPair();
    const heard = unwrap(receiveStop(b, 0n)).state;
    expect(heard.terms.stop).toMatchObject({ wanted: false, ours: 0n, theirs: 0n });
    const both = unwrap(stopForClose(heard)).state;
    expect(both.terms.stop).toMatchObject({ wanted: true, ours: 0n, theirs: 0n });
    expect(unwrap(stopForClose(both)).state.terms.stop).toEqual(both.terms.stop);
  });

  it("is refused with a lock pending in either direction", () => {
    const [a] = openPair();
    const outgoing = { ...a, sent: { ...a.sent, locked: 1n } };
    const incoming = { ...a, received: { ...a.received, locked: 1n } };
    for (const state of [outgoing, incoming]) {
      expect(codeOf(stopForClose(state))).toBe("locks_pending");
      expect(codeOf(receiveStop(state, 0n))).toBe("locks_pending");
    }
  });
});

describe("signing a cooperative close", () => {
  it("completes with one agreement, over what each payee accepted", () => {
    const [a, b] = quiescentPair();
    const first = unwrap(signClose(a, DEADLINE, portsOf(0)));
    expect(first.close).toMatchObject({ transferred0: 300n, transferred1: 100n, deadline: DEADLINE });
    expect(isComplete(first.close)).toBe(false);
    const second = unwrap(receiveCloseSignature(b, messageOf(first.close, 0), NOW, portsOf(1)));
    expect(isComplete(second.close)).toBe(true);
    const third = unwrap(receiveCloseSignature(first.state, messageOf(second.close, 1), NOW, portsOf(0)));
    expect(third.close).toEqual(second.close);
    expect(third.state.terms.stop!.signed).toEqual(second.close);
    for (const side of [0, 1] as const) {
      const digest = digests.cooperativeClose(a.idBytes, third.close);
      const key = crypto.ecdsa.recover(digest, third.close.signatures[side]);
      expect(key).toEqual(crypto.ecdsa.publicKey(KEYS[side]));
    }
  });

  it("answers the same signature again with the same answer", () => {
    const [a, b] = quiescentPair();
    const first = unwrap(signClose(a, DEADLINE, portsOf(0)));
    expect(unwrap(signClose(first.state, DEADLINE + 99n, portsOf(0))).close).toBe(first.close);
    const second = unwrap(receiveCloseSignature(b, messageOf(first.close, 0), NOW, portsOf(1)));
    const again = unwrap(receiveCloseSignature(second.state, messageOf(first.close, 0), NOW, portsOf(1)));
    expect(again.close).toBe(second.close);
    expect(again.state).toBe(second.state);
  });

  it("does not sign before both are quiescent", () => {
    const [a, b] = openPair();
    expect(codeOf(signClose(a, DEADLINE, portsOf(0)))).toBe("updates_outstanding");
    const sending = sent(a, 5n);
    const [stopA, stopB] = stopped([sending.state, b]);
    expect(codeOf(signClose(stopA, DEADLINE, portsOf(0)))).toBe("updates_outstanding");
    expect(codeOf(receiveCloseSignature(stopB, forgedClose(b, {}), NOW, portsOf(1)))).toBe(
      "updates_outstanding",
    );
    const half = unwrap(stopForClose(a)).state;
    expect(codeOf(signClose(half, DEADLINE, portsOf(0)))).toBe("updates_outstanding");
    expect(codeOf(receiveCloseSignature(b, forgedClose(b, {}), NOW, portsOf(1)))).toBe("updates_outstanding");
    const ahead = unwrap(receiveStop(unwrap(stopForClose(a)).state, 1n)).state;
    expect(codeOf(signClose(ahead, DEADLINE, portsOf(0)))).toBe("updates_outstanding");
  });

  it("does not sign once it knows that it lost updates of its own", () => {
    const [a, b] = quiescentPair();
    const newer = resigned(sent(openPair()[0], 1n).update, { nonce: 9n }, KEYS[0]).proof;
    const message = { ...reestablish(b), received: newer };
    const behind = unwrap(receiveReestablish(a, message, portsOf(0))).state;
    expect(codeOf(signClose(behind, DEADLINE, portsOf(0)))).toBe("updates_outstanding");
  });

  it("does not sign on a channel that is closing", () => {
    const [a, b] = quiescentPair();
    expect(codeOf(signClose(startClosing(a), DEADLINE, portsOf(0)))).toBe("updates_outstanding");
    const message = forgedClose(b, {});
    expect(codeOf(receiveCloseSignature(startClosing(b), message, NOW, portsOf(1)))).toBe(
      "updates_outstanding",
    );
    for (const state of [startClosing(a), observed(a, { status: "closing" })]) {
      expect(codeOf(stopForClose(state))).toBe("channel_not_open");
    }
  });

  it("lets side 0 choose the deadline, never side 1", () => {
    const [a, b] = quiescentPair();
    expect(codeOf(signClose(b, DEADLINE, portsOf(1)))).toBe("deadline_out_of_bounds");
    const early = forgedClose(a, {}, KEYS[1]);
    expect(codeOf(receiveCloseSignature(a, early, NOW, portsOf(0)))).toBe("deadline_out_of_bounds");
    const signedA = unwrap(signClose(a, DEADLINE, portsOf(0))).state;
    const other = forgedClose(a, { deadline: DEADLINE + 1n }, KEYS[1]);
    const refusal = receiveCloseSignature(signedA, other, NOW, portsOf(0));
    if (refusal.ok) throw new Error("expected a refusal");
    expect(refusal.code).toBe("deadline_out_of_bounds");
    expect(isLie(refusal)).toBe(false);
  });

  it("countersigns deadlines beyond the newest block by at most an hour", () => {
    const [, b] = quiescentPair();
    const step = (deadline: bigint) =>
      receiveCloseSignature(b, forgedClose(b, { deadline }), NOW, portsOf(1));
    expect(codeOf(step(NOW))).toBe("deadline_out_of_bounds");
    expect(codeOf(step(NOW + MAX_SIGNED_DEADLINE + 1n))).toBe("deadline_out_of_bounds");
    expect(step(NOW + 1n).ok).toBe(true);
    expect(step(NOW + MAX_SIGNED_DEADLINE).ok).toBe(true);
  });

  it("countersigns no totals but its own", () => {
    const [a, b] = quiescentPair();
    const signedA = unwrap(signClose(a, DEADLINE, portsOf(0))).state;
    for (const change of [
      { transferred0: 299n },
      { transferred0: 301n },
      { transferred1: 101n },
      { transferred1: 99n },
    ]) {
      const toB = forgedClose(b, change, KEYS[0]);
      expect(codeOf(receiveCloseSignature(b, toB, NOW, portsOf(1)))).toBe("close_totals_mismatch");
      const toA = forgedClose(a, change, KEYS[1]);
      expect(codeOf(receiveCloseSignature(signedA, toA, NOW, portsOf(0)))).toBe("close_totals_mismatch");
    }
  });

  it("takes no signature but the other side's", () => {
    const [a, b] = quiescentPair();
    for (const key of [KEYS[1], STRANGER_KEY]) {
      expect(codeOf(receiveCloseSignature(b, forgedClose(b, {}, key), NOW, portsOf(1)))).toBe(
        "signature_invalid",
      );
    }
    const signedA = unwrap(signClose(a, DEADLINE, portsOf(0))).state;
    const own = forgedClose(a, {}, KEYS[0]);
    expect(codeOf(receiveCloseSignature(signedA, own, NOW, portsOf(0)))).toBe("signature_invalid");
    const empty = { ...forgedClose(a, {}), signature: new Uint8Array(0) };
    expect(codeOf(receiveCloseSignature(signedA, empty, NOW, portsOf(0)))).toBe("signature_invalid");
  });
});

describe("a stop that nothing completes", () => {
  const since = (state: ChannelState) => noteHalt(state, NOW).terms.haltedSince;

  it("is noted once, from the first look on, until both have signed", () => {
    const [a, b] = quiescentPair();
    const noted = noteHalt(a, NOW);
    expect(noted.terms.haltedSince).toBe(NOW);
    expect(noteHalt(noted, NOW + 5n)).toBe(noted);
    const signedA = unwrap(signClose(noted, DEADLINE, portsOf(0)));
    // The other side may keep its signature to itself.
    expect(noteHalt(signedA.state, NOW + 5n).terms.haltedSince).toBe(NOW);
    const signedB = unwrap(receiveCloseSignature(b, messageOf(signedA.close, 0), NOW, portsOf(1)));
    const complete = unwrap(
      receiveCloseSignature(signedA.state, messageOf(signedB.close, 1), NOW, portsOf(0)),
    ).state;
    expect(noteHalt(complete, NOW + 5n).terms.haltedSince).toBeUndefined();
  });

  it("is noted of the other side's word alone, and not once the channel closes", () => {
    const [a, b] = openPair();
    expect([isHalted(a), since(a)]).toEqual([false, undefined]);
    const [heard] = announced([a, unwrap(stopForClose(b)).state]);
    expect(heard.terms.stop).toBeUndefined();
    expect([isHalted(heard), since(heard)]).toEqual([true, NOW]);
    expect(isHalted(startClosing(heard))).toBe(false);
  });

  it("weighs what a settlement would pay", () => {
    const [a, b] = paid(openPair(), 0, 1000n);
    expect([balance(a), balance(b)]).toEqual([0n, 2000n]);
  });
});

describe("a cooperative close that lapsed", () => {
  it("lets payments go on only when a block beyond the deadline is confirmed, and each side has said so", () => {
    const [a, b] = quiescentPair();
    const signedA = unwrap(signClose(a, DEADLINE, portsOf(0)));
    const signedB = unwrap(receiveCloseSignature(b, messageOf(signedA.close, 0), NOW, portsOf(1))).state;
    expect(lapseClose(signedA.state, DEADLINE)).toBe(signedA.state);
    const lapsedA = lapseClose(signedA.state, DEADLINE + 1n);
    expect(lapsedA.terms.stop).toBeUndefined();
    expect(lapsedA.terms.announced.closeLive).toBe(false);
    expect(codeOf(sendUpdate(lapsedA, payments(1n), portsOf(0)))).toBe("channel_stopped");
    const lapsedB = lapseClose(signedB, DEADLINE + 1n);
    const [payer, payee] = announced([lapsedA, lapsedB]);
    expect(received(payee, sent(payer, 1n).update).accepted).toBe(2n);
  });

  it("does not lapse unsigned, nor on a channel that is closing", () => {
    const [a] = quiescentPair();
    expect(lapseClose(a, DEADLINE + 9999n)).toBe(a);
    const [open] = openPair();
    expect(lapseClose(open, DEADLINE)).toBe(open);
    const closing = startClosing(unwrap(signClose(a, DEADLINE, portsOf(0))).state);
    expect(lapseClose(closing, DEADLINE + 1n)).toBe(closing);
  });
});

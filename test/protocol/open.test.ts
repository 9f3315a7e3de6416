import { describe, expect, it } from "vitest";
import {
  type ChannelState,
  checkResent,
  isLie,
  MAX_UNACKNOWLEDGED,
  PROOF_TOTAL_LIMIT,
  receiveAck,
  receiveCapacity,
  receiveCredited,
  receiveUpdates,
  renumberCredits,
  sendCapacity,
  sendUpdate,
  startClosing,
} from "../../src/protocol/index.ts";
import {
  announced,
  codeOf,
  crypto,
  digests,
  KEYS,
  observed,
  openPair,
  paid,
  payments,
  portsOf,
  received,
  resigned,
  STRANGER_KEY,
  sent,
  unwrap,
} from "./support/channel.ts";

/** `state` as if the payee credited more than it does. */
function credulous(state: ChannelState): ChannelState {
  const credited = { ...state.terms.credited, deposits: [9999n, 9999n] as const };
  return { ...state, terms: { ...state.terms, credited } };
}

describe("open: paying", () => {
  it("moves money one way and back, and both sides agree on every number", () => {
    let pair = paid(openPair(), 0, 400n);
    pair = paid(pair, 1, 1400n);
    const [a, b] = pair;
    expect(sendCapacity(a)).toBe(2000n);
    expect(sendCapacity(b)).toBe(0n);
    expect(receiveCapacity(b)).toBe(2000n);
    expect(receiveCapacity(a)).toBe(0n);
    expect(a.sent).toEqual(b.received);
    expect(b.sent).toEqual(a.received);
  });

  it("signs each update once, with the next nonce, over the digest of its proof", () => {
    const { state, update } = sent(openPair()[0], 10n, 20n);
    expect(update.proof).toMatchObject({ nonce: 1n, transferred: 30n, locked: 0n });
    expect(state.sent).toBe(update.proof);
    const key = crypto.ecdsa.recover(
      digests.balanceProof(state.idBytes, update.proof),
      update.proof.signature,
    );
    expect(key).toEqual(crypto.ecdsa.publicKey(KEYS[0]));
    expect(state.acknowledged).toBe(0n);
  });

  it("spends the whole capacity and not one unit more", () => {
    const [a] = openPair();
    expect(sendUpdate(a, payments(1000n), portsOf(0)).ok).toBe(true);
    const refused = sendUpdate(a, payments(1001n), portsOf(0));
    expect(refused).toMatchObject({
      code: "insufficient_capacity",
      fields: { available: 1000n, needed: 1001n },
    });
  });

  it("counts unacknowledged sends as spent", () => {
    const { state } = sent(openPair()[0], 600n);
    expect(sendCapacity(state)).toBe(400n);
    expect(codeOf(sendUpdate(state, payments(401n), portsOf(0)))).toBe("insufficient_capacity");
  });

  it("fills the window and goes on with the first acknowledgement", () => {
    let [a] = openPair();
    for (let n = 0n; n < MAX_UNACKNOWLEDGED; n++) a = { ...a, sent: { ...a.sent, nonce: n + 1n } };
    expect(codeOf(sendUpdate(a, payments(1n), portsOf(0)))).toBe("window_full");
    expect(sendUpdate(unwrap(receiveAck(a, 1n)).state, payments(1n), portsOf(0)).ok).toBe(true);
  });

  it("refuses to send what the payee would refuse", () => {
    const [a] = openPair();
    expect(codeOf(sendUpdate(a, new Uint8Array(0), portsOf(0)))).toBe("entries_malformed");
    const rich = { ...a, sent: { ...a.sent, transferred: PROOF_TOTAL_LIMIT - 1n } };
    expect(codeOf(sendUpdate(rich, payments(1n), portsOf(0)))).toBe("total_overflow");
    const locked = { ...a, sent: { ...a.sent, locked: PROOF_TOTAL_LIMIT - 2n } };
    expect(codeOf(sendUpdate(locked, payments(2n), portsOf(0)))).toBe("total_overflow");
  });

  it("counts locked amounts as spent", () => {
    const [a, b] = openPair();
    expect(sendCapacity({ ...a, sent: { ...a.sent, locked: 300n } })).toBe(700n);
    expect(receiveCapacity({ ...b, received: { ...b.received, locked: 300n } })).toBe(700n);
    const holding = { ...b, received: { ...b.received, locked: 300n } };
    const { update } = sent({ ...a, sent: { ...a.sent, locked: 300n } }, 700n);
    expect(receiveUpdates(holding, [update], portsOf(1)).taken).toBe(1);
    const over = sent({ ...credulous(a), sent: { ...a.sent, locked: 300n } }, 701n).update;
    expect(receiveUpdates(holding, [over], portsOf(1)).refusal?.code).toBe("capacity_exceeded");
  });
});

describe("open: being paid", () => {
  it("takes a run of updates by the newest signature alone", () => {
    const [a, b] = openPair();
    const first = sent(a, 1n);
    const second = sent(first.state, 2n, 3n);
    const unsigned = { ...first.update, proof: { ...first.update.proof, signature: new Uint8Array(65) } };
    const result = receiveUpdates(b, [unsigned, second.update], portsOf(1));
    expect(result).toMatchObject({ taken: 2, payments: 3, evidence: false, refusal: undefined });
    expect(result.state.received).toBe(second.update.proof);
    expect(result.state.accepted).toBe(2n);
  });

  it("keeps the longest prefix that ends in a good signature", () => {
    const [a, b] = openPair();
    const first = sent(a, 1n);
    const second = sent(first.state, 2n);
    const third = sent(second.state, 4n);
    const forged = resigned(third.update, {}, STRANGER_KEY);
    const result = receiveUpdates(b, [first.update, second.update, forged], portsOf(1));
    expect(result).toMatchObject({ taken: 2, payments: 2, refusal: { code: "signature_invalid" } });
    expect(result.state.received).toBe(second.update.proof);
  });

  it("keeps what came before an update that does not follow", () => {
    const [a, b] = openPair();
    const first = sent(a, 1n);
    const third = sent(sent(first.state, 2n).state, 4n);
    const result = receiveUpdates(b, [first.update, third.update], portsOf(1));
    expect(result).toMatchObject({
      taken: 1,
      refusal: { code: "nonce_gap", fields: { expected: 2n, received: 3n } },
    });
  });

  it("takes nothing that the payer did not sign", () => {
    const [a, b] = openPair();
    const { update } = sent(a, 1n);
    const highS = update.proof.signature.slice();
    highS.fill(0xff, 32, 64);
    const bad = [new Uint8Array(0), new Uint8Array(65), update.proof.signature.subarray(0, 64), highS];
    for (const signature of bad) {
      const result = receiveUpdates(b, [{ ...update, proof: { ...update.proof, signature } }], portsOf(1));
      expect(result).toMatchObject({ taken: 0, state: b, refusal: { code: "signature_invalid" } });
    }
    for (const key of [KEYS[1], STRANGER_KEY]) {
      expect(receiveUpdates(b, [resigned(update, {}, key)], portsOf(1)).refusal?.code).toBe(
        "signature_invalid",
      );
    }
  });

  it("takes no totals that do not follow from the entries, however well signed", () => {
    const [a, b] = openPair();
    const { update } = sent(a, 5n);
    const root = new Uint8Array(32).fill(1);
    const lies = [
      { change: { transferred: 4n }, field: "transferred" },
      { change: { transferred: 6n }, field: "transferred" },
      { change: { locked: 1n }, field: "locked" },
      { change: { locksRoot: root }, field: "locksRoot" },
      { change: { history: root }, field: "history" },
    ];
    for (const { change, field } of lies) {
      const { refusal, taken } = receiveUpdates(b, [resigned(update, change, KEYS[0])], portsOf(1));
      expect(taken).toBe(0);
      expect(refusal).toMatchObject({ code: "totals_mismatch", fields: { nonce: 1n, field } });
    }
    const swapped = { ...update, entries: payments(5n) };
    expect(receiveUpdates(b, [swapped], portsOf(1)).refusal?.code).toBe("totals_mismatch");
  });

  it("takes no nonce but the next", () => {
    const [a, b] = paid(openPair(), 0, 1n);
    const { update } = sent(a, 1n);
    for (const nonce of [0n, 1n, 3n]) {
      const result = receiveUpdates(b, [resigned(update, { nonce }, KEYS[0])], portsOf(1));
      expect(result).toMatchObject({ taken: 0, refusal: { code: "nonce_gap", fields: { expected: 2n } } });
    }
  });

  it("takes the whole backing and not one unit more", () => {
    const [a, b] = openPair();
    expect(received(b, sent(a, 1000n).update).received.transferred).toBe(1000n);
    const over = sent(credulous(a), 1001n).update;
    const { refusal } = receiveUpdates(b, [over], portsOf(1));
    expect(refusal).toMatchObject({ code: "capacity_exceeded", fields: { available: 1000n, needed: 1001n } });
    expect(isLie(refusal!)).toBe(true);
  });

  it("takes back what it sent, acknowledged or not", () => {
    const [a, b] = openPair();
    const out = sent(b, 500n);
    const [payer] = [received(a, out.update)];
    const back = sent(payer, 1500n);
    expect(received(out.state, back.update).received.transferred).toBe(1500n);
  });

  it("refuses an overspend that its own lowered credit caused, without calling it a lie", () => {
    const [a, b] = openPair();
    const { update } = sent(a, 1000n);
    const lowered = observed(b, { deposits: [600n, 1000n] });
    const { refusal } = receiveUpdates(lowered, [update], portsOf(1));
    expect(refusal?.code).toBe("credit_lowered");
    expect(isLie(refusal!)).toBe(false);
    const knowing = { ...update, creditedSequence: lowered.terms.announced.sequence };
    expect(receiveUpdates(lowered, [knowing], portsOf(1)).refusal?.code).toBe("capacity_exceeded");
  });

  it("does nothing for no updates", () => {
    const [, b] = openPair();
    expect(receiveUpdates(b, [], portsOf(1))).toEqual({
      state: b,
      taken: 0,
      payments: 0,
      evidence: false,
      refusal: undefined,
    });
  });

  it("acknowledges a byte-identical update again and calls any other with its nonce a fork", () => {
    const [a] = openPair();
    const { update } = sent(a, 5n);
    expect(checkResent({ ...update, entries: update.entries.slice() }, update)).toBeUndefined();
    const forks = [
      resigned({ ...update, entries: payments(4n) }, { transferred: 4n }, KEYS[0]),
      { ...update, entries: payments(5n) },
      { ...update, proof: { ...update.proof, signature: new Uint8Array(65) } },
      { ...update, proof: { ...update.proof, transferred: 6n } },
    ];
    for (const fork of forks) expect(codeOf(checkResent(fork, update))).toBe("nonce_fork");
  });
});

describe("open: acknowledgements", () => {
  it("only ever rise, and never beyond what was sent", () => {
    const { state } = sent(sent(openPair()[0], 1n).state, 1n);
    expect(codeOf(receiveAck(state, 3n))).toBe("acknowledged_unsent");
    const acknowledged = unwrap(receiveAck(state, 2n)).state;
    expect(acknowledged.acknowledged).toBe(2n);
    expect(unwrap(receiveAck(acknowledged, 1n)).state).toBe(acknowledged);
    expect(unwrap(receiveAck(acknowledged, 2n)).state).toBe(acknowledged);
  });

  it("do not give capacity back", () => {
    const { state } = sent(openPair()[0], 600n);
    expect(sendCapacity(unwrap(receiveAck(state, 1n)).state)).toBe(400n);
  });
});

describe("open: credits", () => {
  it("takes the newest announcement, ignores an older one, and refuses a contradiction", () => {
    const [a, b] = openPair();
    const first = a.terms.credited;
    const raised = observed(b, { deposits: [2000n, 1000n] }).terms.announced;
    const state = unwrap(receiveCredited(a, raised)).state;
    expect(sendCapacity(state)).toBe(2000n);
    expect(unwrap(receiveCredited(state, first)).state).toBe(state);
    expect(unwrap(receiveCredited(state, { ...raised })).state).toBe(state);
    const contradictions = [
      { ...raised, deposits: [2001n, 1000n] as const },
      { ...raised, deposits: [2000n, 1001n] as const },
      { ...raised, withdrawn: [1n, 0n] as const },
      { ...raised, withdrawn: [0n, 1n] as const },
      { ...raised, closeLive: true },
    ];
    for (const credits of contradictions)
      expect(codeOf(receiveCredited(state, credits))).toBe("credited_stale");
  });

  it("are numbered beyond everything a node that lost data may have announced, and never backwards", () => {
    const [a, b] = openPair();
    const forgotten = unwrap(receiveCredited(a, { ...b.terms.announced, sequence: 40n })).state;
    const renumbered = renumberCredits(b, 1000n);
    expect(unwrap(receiveCredited(forgotten, renumbered.terms.announced)).state.terms.credited).toEqual({
      ...b.terms.announced,
      sequence: 1000n,
    });
    expect(renumberCredits(renumbered, 999n)).toBe(renumbered);
    expect(observed(renumbered, { deposits: [2n, 2n] }).terms.announced.sequence).toBe(1001n);
  });

  it("names in every update the announcement it counts on", () => {
    const [a, b] = openPair();
    const raised = observed(b, { deposits: [2000n, 1000n] }).terms.announced;
    expect(sent(unwrap(receiveCredited(a, raised)).state, 1n).update.creditedSequence).toBe(raised.sequence);
  });

  it("stop payments while the payee has a close live, and allow them again", () => {
    const [a, b] = openPair();
    const closing = announced([a, startClosing(b)])[0];
    expect(codeOf(sendUpdate(closing, payments(1n), portsOf(0)))).toBe("channel_stopped");
    const live = { ...b.terms.announced, closeLive: true, sequence: 7n };
    const stopped = unwrap(receiveCredited(a, live)).state;
    expect(codeOf(sendUpdate(stopped, payments(1n), portsOf(0)))).toBe("channel_stopped");
    const lapsed = unwrap(receiveCredited(stopped, { ...live, closeLive: false, sequence: 8n })).state;
    expect(sendUpdate(lapsed, payments(1n), portsOf(0)).ok).toBe(true);
  });

  it("leave capacity negative only when a reorganisation took the deposit, and then nothing is signed", () => {
    const spent = sent(openPair()[0], 800n).state;
    const credits = { ...spent.terms.credited, deposits: [500n, 1000n] as const, sequence: 9n };
    const lowered = unwrap(receiveCredited(spent, credits)).state;
    expect(sendCapacity(lowered)).toBe(-300n);
    expect(codeOf(sendUpdate(lowered, payments(1n), portsOf(0)))).toBe("insufficient_capacity");
  });
});

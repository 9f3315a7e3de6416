import { describe, expect, it } from "vitest";
import {
  adoptReturned,
  type ChannelState,
  cannotSend,
  isLie,
  isQuiescent,
  NO_PROOF,
  type Reestablish,
  receiveAck,
  receiveReestablish,
  receiveStop,
  receiveUpdates,
  reestablish,
  sendCapacity,
  sendUpdate,
  signWithdrawal,
  startClosing,
  stopForClose,
  type Update,
} from "../../src/protocol/index.ts";
import {
  codeOf,
  KEYS,
  NOW,
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

/** Side 0 sent three updates that side 1 holds, and then lost the last two in a power cut. */
function afterLoss(): { lost: ChannelState; payee: ChannelState; updates: Update[]; whole: ChannelState } {
  const [a, b] = openPair();
  const first = sent(a, 100n);
  const second = sent(first.state, 200n, 50n);
  const third = sent(second.state, 300n);
  const updates = [first.update, second.update, third.update];
  const payee = received(b, ...updates);
  return { lost: first.state, payee, updates, whole: third.state };
}

function heard(state: ChannelState, message: Reestablish) {
  return unwrap(receiveReestablish(state, message, portsOf(state.side)));
}

describe("reconnecting", () => {
  it("names what to resend and what to return, and counts what the other side holds as acknowledged", () => {
    const [a, b] = openPair();
    const first = sent(a, 1n);
    const second = sent(first.state, 2n);
    const payee = received(b, first.update);
    const step = heard(second.state, reestablish(payee));
    expect(step.resendFrom).toBe(2n);
    expect(step.returnFrom).toBe(1n);
    expect(step.state.acknowledged).toBe(1n);
    expect(step.state.behind).toBeUndefined();
    const other = heard(payee, reestablish(second.state));
    expect(other.returnFrom).toBe(3n);
    expect(other.resendFrom).toBe(1n);
  });

  it("never lowers what was acknowledged when the payee says it holds less", () => {
    const [a, b] = paid(openPair(), 0, 5n);
    const before = openPair()[1];
    const step = heard(a, { ...reestablish(b), received: before.received });
    expect(step.state.acknowledged).toBe(1n);
    expect(step.resendFrom).toBe(1n);
  });

  it("does not take what a closing payee holds for acknowledged: it may be evidence that it does not serve", () => {
    const [a, b] = paid(openPair(), 0, 5n);
    const second = sent(a, 1n);
    const third = sent(second.state, 2n);
    // The payee saw a close in between: it serves the second and keeps the third for the dispute.
    const closing = startClosing(received(b, second.update));
    const payee = received(closing, third.update);
    expect([payee.received.nonce, payee.accepted]).toEqual([3n, 2n]);
    const step = heard(third.state, reestablish(payee));
    expect(step.state.acknowledged).toBe(1n);
    expect(step.resendFrom).toBe(2n);
    expect(unwrap(receiveAck(step.state, payee.accepted)).state.acknowledged).toBe(2n);
    // What it lost itself it still gets.
    expect(heard(third.state, { ...reestablish(closing), received: NO_PROOF }).resendFrom).toBe(1n);
  });

  it("takes the credits in it and refuses when those contradict earlier ones", () => {
    const [a, b] = openPair();
    const raised = { ...b.terms.announced, deposits: [5000n, 1000n] as const, sequence: 9n };
    expect(heard(a, { ...reestablish(b), credited: raised }).state.terms.credited).toBe(raised);
    const contradicting = { ...b.terms.announced, deposits: [5000n, 1000n] as const };
    const step = receiveReestablish(a, { ...reestablish(b), credited: contradicting }, portsOf(0));
    expect(codeOf(step)).toBe("credited_stale");
  });
});

describe("behind: a newer proof of our own came back", () => {
  it("adopts exactly what was signed and pays on", () => {
    const { lost, payee, updates, whole } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    expect(codeOf(cannotSend(behind))).toBe("channel_behind");
    const missing = adoptReturned(behind, behind.sent, updates[1]!, portsOf(0));
    if (!("kind" in missing) || missing.kind !== "missing") throw new Error("expected missing");
    const adopted = adoptReturned(behind, missing.progress, updates[2]!, portsOf(0));
    if (!("kind" in adopted) || adopted.kind !== "caughtUp") throw new Error("expected caughtUp");
    expect(adopted.state.sent).toEqual(whole.sent);
    expect(adopted.state.acknowledged).toBe(3n);
    expect(adopted.state.behind).toBeUndefined();
    const next = sent(adopted.state, 1n);
    expect(received(payee, next.update).received.nonce).toBe(4n);
  });

  it("adopts what a closing payee returns without taking it for acknowledged", () => {
    const { lost, payee, updates, whole } = afterLoss();
    const closing = startClosing(payee);
    const behind = heard(lost, reestablish(closing)).state;
    expect(behind.behind).toEqual(whole.sent);
    const missing = adoptReturned(behind, behind.sent, updates[1]!, portsOf(0));
    if (!("kind" in missing) || missing.kind !== "missing") throw new Error("expected missing");
    const adopted = adoptReturned(behind, missing.progress, updates[2]!, portsOf(0));
    if (!("kind" in adopted) || adopted.kind !== "caughtUp") throw new Error("expected caughtUp");
    expect([adopted.state.sent.nonce, adopted.state.acknowledged]).toEqual([3n, lost.acknowledged]);
  });

  it("tells where the other side must return from", () => {
    const { lost, payee } = afterLoss();
    expect(heard(payee, reestablish(lost)).returnFrom).toBe(2n);
  });

  it("refuses to sign, withdraw or stop until it caught up", () => {
    const { lost, payee } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    expect(codeOf(sendUpdate(behind, payments(1n), portsOf(0)))).toBe("channel_behind");
    const proposal = { total: 1n, deadline: NOW + 60n, signature: new Uint8Array(65) };
    expect(codeOf(signWithdrawal(behind, proposal, NOW, portsOf(0)))).toBe("channel_behind");
    expect(codeOf(stopForClose(behind))).toBe("channel_behind");
    expect(codeOf(receiveStop(behind, 0n))).toBe("channel_behind");
  });

  it("takes payments that were made with money we forgot having sent", () => {
    const { lost, payee } = afterLoss();
    // All of side 1's own deposit and all it received: 1000 + 650.
    const back = sent(payee, 1650n);
    const behind = heard(lost, reestablish(payee)).state;
    const result = receiveUpdates(behind, [back.update], portsOf(0));
    expect(result.refusal).toBeUndefined();
    expect(result.state.received.transferred).toBe(1650n);
  });

  it("does not call an acknowledgement of a forgotten update a lie", () => {
    const { lost, payee } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    expect(unwrap(receiveAck(behind, 3n)).state).toBe(behind);
    expect(codeOf(receiveAck(behind, 4n))).toBe("acknowledged_unsent");
  });

  it("stays behind when the other side later says it holds less", () => {
    const { lost, payee } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    const again = heard(behind, reestablish(openPair()[1])).state;
    expect(again.behind).toBe(behind.behind);
    const older = heard(behind, {
      ...reestablish(payee),
      received: resigned(afterLoss().updates[1]!, {}, KEYS[0]).proof,
    });
    expect(older.state.behind!.nonce).toBe(3n);
  });

  it("refuses a returned proof that it did not sign", () => {
    const { lost, payee, updates } = afterLoss();
    for (const key of [KEYS[1], STRANGER_KEY]) {
      const forged = resigned(updates[2]!, {}, key).proof;
      const step = receiveReestablish(lost, { ...reestablish(payee), received: forged }, portsOf(0));
      expect(codeOf(step)).toBe("returned_proof_invalid");
    }
  });

  it("refuses returned updates out of order, or when nothing is missing", () => {
    const { lost, payee, updates, whole } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    expect(codeOf(adoptReturned(behind, behind.sent, updates[2]!, portsOf(0)) as never)).toBe("nonce_gap");
    expect(codeOf(adoptReturned(whole, whole.sent, updates[1]!, portsOf(0)) as never)).toBe("nonce_gap");
    const empty = { ...updates[1]!, entries: new Uint8Array(0) };
    expect(codeOf(adoptReturned(behind, behind.sent, empty, portsOf(0)) as never)).toBe("entries_malformed");
  });

  it("adopts its own proof as a liability when the returned payments do not lead to it, and never signs again", () => {
    const { lost, payee, updates } = afterLoss();
    const behind = heard(lost, reestablish(payee)).state;
    const invented = { ...updates[1]!, entries: payments(249n) };
    const missing = adoptReturned(behind, behind.sent, invented, portsOf(0));
    if (!("kind" in missing) || missing.kind !== "missing") throw new Error("expected missing");
    const adopted = adoptReturned(behind, missing.progress, updates[2]!, portsOf(0));
    if (!("kind" in adopted) || adopted.kind !== "liability") throw new Error("expected liability");
    expect(adopted.state.sent).toEqual(updates[2]!.proof);
    expect(codeOf(cannotSend(adopted.state))).toBe("channel_behind");
    expect(sendCapacity(adopted.state)).toBe(1000n - 650n);
  });

  it("announces the nonce it caught up to when it was told to stop before it knew", () => {
    const { lost, payee, updates } = afterLoss();
    const behind = heard(unwrap(stopForClose(lost)).state, reestablish(payee)).state;
    const missing = adoptReturned(behind, behind.sent, updates[1]!, portsOf(0));
    if (!("kind" in missing) || missing.kind !== "missing") throw new Error("expected missing");
    const adopted = adoptReturned(behind, missing.progress, updates[2]!, portsOf(0));
    if (!("kind" in adopted) || adopted.kind !== "caughtUp") throw new Error("expected caughtUp");
    expect(adopted.state.terms.stop).toMatchObject({ wanted: true, ours: 3n });
    const other = unwrap(receiveStop(payee, 3n)).state;
    const both = unwrap(receiveStop(adopted.state, other.terms.stop!.ours)).state;
    expect(isQuiescent(both)).toBe(true);
    expect(isQuiescent(other)).toBe(true);
  });

  it("never signs again when it signed one nonce twice", () => {
    const { lost, payee } = afterLoss();
    // Restored from a backup, it paid something else under nonce 2, and the other side kept the first one.
    const fork = sent(lost, 7n);
    const second = resigned(afterLoss().updates[1]!, {}, KEYS[0]).proof;
    const step = heard(fork.state, { ...reestablish(payee), received: second });
    expect(codeOf(cannotSend(step.state))).toBe("channel_behind");
    const forged = resigned(fork.update, { transferred: 1n }, STRANGER_KEY).proof;
    const lie = receiveReestablish(fork.state, { ...reestablish(payee), received: forged }, portsOf(0));
    if (lie.ok) throw new Error("expected a refusal");
    expect(lie.code).toBe("returned_proof_invalid");
    expect(isLie(lie)).toBe(true);
  });
});

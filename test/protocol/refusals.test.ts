import { readFileSync } from "node:fs";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  adoptReturned,
  cannotSend,
  checkChannel,
  checkEntries,
  checkResent,
  closeTotals,
  isLie,
  MAX_UNACKNOWLEDGED,
  PROOF_TOTAL_LIMIT,
  proposeWithdrawal,
  type Refusal,
  type RefusalCode,
  type RefusalFields,
  receiveAck,
  receiveCloseSignature,
  receiveCredited,
  receiveReestablish,
  receiveStop,
  receiveUpdates,
  reestablish,
  refuse,
  sendUpdate,
  signClose,
  stopForClose,
} from "../../src/protocol/index.ts";
import {
  CHANNEL,
  KEYS,
  NOW,
  observed,
  openingPair,
  openPair,
  payments,
  portsOf,
  resigned,
  sent,
  unwrap,
} from "./support/channel.ts";

/** Raised where an application names an amount, which is not in this room. */
type RaisedElsewhere = "amount_invalid";
const RAISED_ELSEWHERE: readonly RefusalCode[] = ["amount_invalid" satisfies RaisedElsewhere];

type Step = { readonly ok: true } | Refusal | undefined;

const [a, b] = openPair();
const one = sent(a, 5n);

function take(update: typeof one.update, state = b): Step {
  return receiveUpdates(state, [update], portsOf(1)).refusal;
}

function propose(total: bigint, deadline = NOW + 60n, state = a): Step {
  return proposeWithdrawal(state, total, deadline, NOW, portsOf(0));
}

function behind() {
  const newer = resigned(one.update, { nonce: 9n }, KEYS[0]).proof;
  return unwrap(receiveReestablish(a, { ...reestablish(b), received: newer }, portsOf(0))).state;
}

/** One way to each refusal. */
const WAYS = {
  nonce_fork: () => checkResent({ ...one.update, entries: payments(5n) }, one.update),
  nonce_gap: () => take(resigned(one.update, { nonce: 2n }, KEYS[0])),
  signature_invalid: () => take(resigned(one.update, {}, KEYS[1])),
  totals_mismatch: () => take(resigned(one.update, { transferred: 6n }, KEYS[0])),
  capacity_exceeded: () => take(one.update, openingPair()[1]),
  entries_malformed: () => checkEntries(new Uint8Array(0)),
  lock_limit_exceeded: () => checkEntries(Uint8Array.of(2)),
  total_overflow: () => {
    const rich = { ...a, sent: { ...a.sent, transferred: PROOF_TOTAL_LIMIT - 1n } };
    return sendUpdate(rich, payments(1n), portsOf(0));
  },
  acknowledged_unsent: () => receiveAck(a, 1n),
  close_totals_mismatch: () => {
    const state = unwrap(receiveStop(unwrap(stopForClose(a)).state, 0n)).state;
    const close = { ...closeTotals(state), transferred1: 1n, deadline: NOW, signature: new Uint8Array(65) };
    return receiveCloseSignature(state, close, NOW, portsOf(0));
  },
  deadline_out_of_bounds: () => propose(1n, NOW),
  returned_proof_invalid: () => {
    const forged = resigned(one.update, {}, KEYS[1]).proof;
    return receiveReestablish(a, { ...reestablish(b), received: forged }, portsOf(0));
  },
  credited_stale: () => receiveCredited(a, { ...a.terms.credited, closeLive: true }),
  credit_lowered: () => take(one.update, observed(b, { deposits: [4n, 0n] })),
  insufficient_capacity: () => sendUpdate(a, payments(1001n), portsOf(0)),
  window_full: () => {
    const full = { ...a, sent: { ...a.sent, nonce: MAX_UNACKNOWLEDGED } };
    return sendUpdate(full, payments(1n), portsOf(0));
  },
  channel_not_open: () => cannotSend(openingPair()[0]),
  channel_stopped: () => cannotSend(unwrap(stopForClose(a)).state),
  channel_behind: () => cannotSend(behind()),
  channel_invalid: () => checkChannel({ ...CHANNEL, salt: -1n }),
  withdrawal_pending: () => {
    const live = unwrap(proposeWithdrawal(a, 1n, NOW + 60n, NOW, portsOf(0))).state;
    return propose(2n, NOW + 60n, live);
  },
  withdrawal_exceeds_balance: () => propose(1001n),
  withdrawal_below_current: () => propose(0n),
  updates_outstanding: () => signClose(a, NOW + 60n, portsOf(0)),
  locks_pending: () => stopForClose({ ...a, sent: { ...a.sent, locked: 1n } }),
} satisfies Record<Exclude<RefusalCode, RaisedElsewhere>, () => Step>;

describe("refusals", () => {
  it.each(Object.entries(WAYS))("%s is reached", (code, way) => {
    expect((way() as Refusal | undefined)?.code).toBe(code);
  });

  it("are all reached here, or said to be raised elsewhere", () => {
    const source = readFileSync(new URL("../../src/protocol/refusal.ts", import.meta.url), "utf8");
    const listed = source.slice(source.indexOf("RefusalFields {"), source.indexOf("\n}\n"));
    const codes = [...listed.matchAll(/^ {2}(\w+): /gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.toSorted()).toEqual([...Object.keys(WAYS), ...RAISED_ELSEWHERE].toSorted());
  });

  it("blame only what no honest node does", () => {
    const blamed = Object.keys(WAYS).filter((code) => isLie(refuse(code as RefusalCode, {} as never)));
    expect(blamed.toSorted()).toEqual([
      "acknowledged_unsent",
      "capacity_exceeded",
      "close_totals_mismatch",
      "credited_stale",
      "entries_malformed",
      "lock_limit_exceeded",
      "nonce_fork",
      "nonce_gap",
      "returned_proof_invalid",
      "signature_invalid",
      "total_overflow",
      "totals_mismatch",
    ]);
  });

  it("carry the numbers that explain them", () => {
    expect(WAYS.insufficient_capacity()).toEqual(
      refuse("insufficient_capacity", { available: 1000n, needed: 1001n }),
    );
    expect(WAYS.withdrawal_exceeds_balance()).toEqual(
      refuse("withdrawal_exceeds_balance", { available: 1000n, total: 1001n }),
    );
    expect(WAYS.acknowledged_unsent()).toEqual(refuse("acknowledged_unsent", { nonce: 1n, sent: 0n }));
  });

  it("narrow to their fields by code", () => {
    expectTypeOf<Extract<Refusal, { code: "nonce_gap" }>["fields"]>().toEqualTypeOf<
      RefusalFields["nonce_gap"]
    >();
    expectTypeOf<Refusal["ok"]>().toEqualTypeOf<false>();
    expectTypeOf<Refusal["code"]>().toEqualTypeOf<RefusalCode>();
    expectTypeOf(adoptReturned).returns.toExtend<{ readonly kind: string } | Refusal>();
    // A step cannot be used before its refusal was looked at.
    expectTypeOf(sendUpdate).returns.not.toHaveProperty("update");
    expectTypeOf(signClose).returns.not.toHaveProperty("close");
  });
});

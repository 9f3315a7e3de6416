import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChannelId, Payment } from "../../src/node/index.ts";
import { reestablish, type Update } from "../../src/protocol/index.ts";
import { Liar, paymentOf } from "./support/liar.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;

let world: World;
let alice: TestNode;
let bob: TestNode;
/** Alice's channel with an honest peer, which no lie may touch. */
let honest: ChannelId;
let liar: Liar;
let seen: Payment[];
/** What Alice is due at least of each channel with a liar. */
const due = new Map<ChannelId, bigint>();

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
  ({ channelId: honest } = await openFunded(alice, bob, DEPOSIT));
}, 60_000);

afterAll(() => world?.stop());

beforeEach(async () => {
  alice.warnings.length = 0;
  seen = [];
  liar = await Liar.open(world, alice, DEPOSIT);
  alice.node.on("payment", note);
}, 30_000);

function note(payment: Payment): void {
  if (payment.channelId === liar.channelId) seen.push(payment);
}

afterEach(async () => {
  alice.node.off("payment", note);
  const { sent, received, phase } = await alice.node.channel(liar.channelId);
  if (phase !== "settled") due.set(liar.channelId, DEPOSIT + received - sent);
  await liar.stop();
  // Whatever the liar did, the honest peer is paid and pays.
  await alice.node.pay({ channelId: honest, amount: 2n });
  await bob.node.pay({ channelId: honest, amount: 1n });
}, 30_000);

/** One honest payment of the liar, so that there is something to lie about. */
async function payHonestly(amount = 100n): Promise<Update> {
  const update = liar.sign(paymentOf(amount));
  liar.pay(update);
  await liar.told("ack", ({ nonce }) => nonce === update.proof.nonce);
  return update;
}

/** The liar was thrown out with this code, and Alice's operator was told the same. */
async function expectThrownOut(code: string): Promise<void> {
  expect(await liar.thrownOut()).toBe(code);
  expect(alice.warnings).toContain(code);
}

async function received(): Promise<bigint> {
  return (await alice.node.channel(liar.channelId)).received;
}

describe("a payer", () => {
  it("that replays its updates is acknowledged again and pays once", async () => {
    const first = await payHonestly();
    const second = await payHonestly();
    for (let i = 0; i < 50; i++) for (const update of [first, second]) liar.pay(update);
    await liar.until(
      "100 more acknowledgements",
      () => liar.heard.filter(({ kind }) => kind === "ack").length >= 102,
    );
    expect(seen.map(({ nonce }) => nonce)).toEqual([1n, 2n]);
    expect([await received(), liar.endings]).toEqual([200n, []]);
  });

  it("that skips a nonce is thrown out when the gap stays", async () => {
    await payHonestly();
    liar.sign(paymentOf(1n));
    liar.pay(liar.sign(paymentOf(1n)));
    await expectThrownOut("nonce_gap");
    expect(await received()).toBe(100n);
  });

  it("that overspends is thrown out and pays nothing", async () => {
    liar.dream();
    liar.pay(liar.sign(paymentOf(DEPOSIT + 1n)));
    await expectThrownOut("capacity_exceeded");
    expect([await received(), seen]).toEqual([0n, []]);
  });

  it("that signs with a wrong key is thrown out; what it signed well before that counts", async () => {
    const good = liar.sign(paymentOf(5n));
    const next = liar.sign(paymentOf(6n));
    const digest = liar.ports.digests.balanceProof(liar.state.idBytes, next.proof);
    const signature = liar.ports.crypto.ecdsa.sign(digest, new Uint8Array(32).fill(7));
    liar.pay(good);
    liar.pay({ ...next, proof: { ...next.proof, signature } });
    await expectThrownOut("signature_invalid");
    expect([await received(), seen.length]).toEqual([5n, 1]);
  });

  it("that forks its own history is thrown out, and its first word counts", async () => {
    const update = await payHonestly(100n);
    const entries = paymentOf(1n);
    const { keccak256 } = liar.ports.crypto;
    const link = new Uint8Array(64);
    link.set(keccak256(entries), 32);
    const proof = liar.signProof({ ...update.proof, transferred: 1n, history: keccak256(link) });
    liar.pay({ ...update, proof, entries });
    await expectThrownOut("nonce_fork");
    expect([await received(), seen.length]).toEqual([100n, 1]);
  });

  it.each([
    ["entries of no kind", "entries_malformed", Uint8Array.of(9, 9, 9)],
    ["no entries", "entries_malformed", new Uint8Array(0)],
    ["a payment of nothing", "entries_malformed", paymentOf(0n)],
    ["half a payment", "entries_malformed", paymentOf(3n).subarray(0, 20)],
    ["a lock nobody agreed to", "lock_limit_exceeded", Uint8Array.of(2, ...new Uint8Array(66))],
  ])("that sends %s is thrown out", async (_what, code, entries) => {
    const { sent } = liar.state;
    const proof = liar.signProof({ ...sent, nonce: 1n, transferred: 3n });
    liar.pay({ proof, entries, creditedSequence: 0n });
    await expectThrownOut(code);
    expect(await received()).toBe(0n);
  });

  it("that signs totals beside what its entries say is thrown out", async () => {
    const update = liar.sign(paymentOf(10n));
    liar.pay({ ...update, proof: liar.signProof({ ...update.proof, transferred: 9n }) });
    await expectThrownOut("totals_mismatch");
  });

  it("that floods holds up nobody else", async () => {
    const update = await payHonestly();
    let flooding = true;
    const flood = (async () => {
      while (flooding && liar.session !== undefined) {
        for (let i = 0; i < 200; i++) liar.pay(update);
        liar.say({ kind: "closeStop", channelId: honest, sentNonce: 0n });
        await sleep(1);
      }
    })();
    const start = performance.now();
    for (let i = 0; i < 50; i++) await alice.node.pay({ channelId: honest, amount: 1n });
    expect(performance.now() - start).toBeLessThan(10_000);
    flooding = false;
    await flood;
    expect(seen).toHaveLength(1);
    // It spoke of a channel that is not its own.
    expect((await liar.told("refuse", ({ channelId }) => channelId === honest)).code).toBe("channel_unknown");
    expect((await bob.node.channel(honest)).phase).toBe("open");
  }, 30_000);
});

describe("a payee", () => {
  it("that acknowledges what was never sent is thrown out", async () => {
    await alice.node.pay({ channelId: liar.channelId, amount: 4n });
    liar.say({ kind: "ack", channelId: liar.channelId, nonce: 2n, chainTime: 0n });
    await expectThrownOut("acknowledged_unsent");
  });

  it("that never acknowledges keeps a payment open, which its next word settles", async () => {
    liar.acks = false;
    let paid = false;
    const paying = alice.node.pay({ channelId: liar.channelId, amount: 4n }).then((receipt) => {
      paid = true;
      return receipt;
    });
    await liar.told("update");
    await sleep(200);
    expect(paid).toBe(false);
    await liar.disconnect();
    await liar.connect();
    expect((await paying).nonce).toBe(1n);
    expect((await alice.node.channel(liar.channelId)).sent).toBe(4n);
  });

  it("that says it holds more than was signed is thrown out", async () => {
    const forged = liar.signProof({ ...liar.state.received, nonce: 9n, transferred: 9n });
    await liar.disconnect();
    liar.state = { ...liar.state, received: forged };
    await liar.connect();
    await expectThrownOut("returned_proof_invalid");
    liar.state = { ...liar.state, received: { ...forged, nonce: 0n, transferred: 0n } };
    expect((await alice.node.channel(liar.channelId)).sent).toBe(0n);
  });

  it("that returns updates nobody lost is thrown out", async () => {
    const update = liar.sign(paymentOf(7n));
    liar.say({ kind: "returnedUpdate", channelId: liar.channelId, update });
    await expectThrownOut("nonce_gap");
    expect((await alice.node.channel(liar.channelId)).sent).toBe(0n);
  });

  it("that says again and again where it stands is resent to once", async () => {
    liar.acks = false;
    for (let i = 0; i < 20; i++) alice.node.pay({ channelId: liar.channelId, amount: 1n }).catch(() => {});
    await liar.told("update");
    const before = liar.heard.filter(({ kind }) => kind === "update").length;
    const stale = { ...reestablish(liar.state), received: { ...liar.state.received, nonce: 0n } };
    for (let i = 0; i < 2_000; i++)
      liar.say({ kind: "reestablish", channelId: liar.channelId, reestablish: stale });
    await sleep(500);
    expect(liar.heard.filter(({ kind }) => kind === "update").length - before).toBeLessThanOrEqual(before);
    liar.acknowledge();
  });

  it("that says two things under one number of its announcements is thrown out", async () => {
    const { announced } = liar.state.terms;
    const credits = { ...announced, deposits: [0n, 0n] as const };
    liar.say({ kind: "credited", channelId: liar.channelId, credits });
    await expectThrownOut("credited_stale");
  });
});

describe("a peer that closes", () => {
  it("and names a last update before one it has sent is thrown out", async () => {
    await payHonestly();
    liar.say({ kind: "closeStop", channelId: liar.channelId, sentNonce: 0n });
    await expectThrownOut("nonce_fork");
  });

  it("and names two last updates is thrown out", async () => {
    await payHonestly();
    liar.say({ kind: "closeStop", channelId: liar.channelId, sentNonce: 1n });
    await liar.told("closeStop");
    liar.say({ kind: "closeStop", channelId: liar.channelId, sentNonce: 2n });
    await expectThrownOut("nonce_fork");
  });

  it("and signs other totals than were paid is thrown out, and Alice closes alone", async () => {
    await payHonestly();
    liar.say({ kind: "closeStop", channelId: liar.channelId, sentNonce: 1n });
    await liar.told("closeStop");
    if (liar.victimSide === 0) await liar.told("closeSign");
    const theirs = liar.heard.find((message) => message.kind === "closeSign");
    const deadline = theirs?.deadline ?? BigInt(await world.chain.time()) + 600n;
    liar.say(liar.signClose(-50n, deadline));
    await expectThrownOut("close_totals_mismatch");
  });

  it("and withholds its signature is left behind: the chain settles", async () => {
    await payHonestly();
    const closing = alice.node.close(liar.channelId, { patience: 300 });
    await alice.node.channel(liar.channelId);
    for (let i = 0; i < 100 && (await world.escrow.channelState(liar.channelId)).status !== 2n; i++)
      await sleep(50);
    await world.pass(700);
    expect((await closing).paidOut).toEqual([DEPOSIT + 100n, DEPOSIT - 100n]);
  }, 20_000);
});

describe("a peer that withdraws", () => {
  it("more than it has is refused, and stays", async () => {
    await payHonestly();
    const deadline = BigInt(await world.chain.time()) + 1800n;
    liar.say(liar.signWithdrawal(DEPOSIT - 99n, deadline));
    const { code } = await liar.told("refuse");
    expect([code, liar.endings]).toEqual(["withdrawal_exceeds_balance", []]);
    expect((await alice.node.channel(liar.channelId)).receiveCapacity).toBe(DEPOSIT - 100n);
  });

  it("with a deadline far away is refused", async () => {
    const deadline = BigInt(await world.chain.time()) + 100_000n;
    liar.say(liar.signWithdrawal(10n, deadline));
    expect((await liar.told("refuse")).code).toBe("deadline_out_of_bounds");
  });

  it("and then spends what it withdraws is thrown out", async () => {
    const deadline = BigInt(Math.max(await world.chain.time(), Math.floor(Date.now() / 1000))) + 1800n;
    liar.say(liar.signWithdrawal(DEPOSIT, deadline));
    await liar.told("withdrawSign");
    liar.dream();
    liar.pay(liar.sign(paymentOf(1n)));
    await expectThrownOut("capacity_exceeded");
    expect(await received()).toBe(0n);
  });

  it("and does not sign Alice's own withdrawal delays it to its deadline and no longer", async () => {
    const withdrawing = alice.node.withdraw(liar.channelId, 500n);
    withdrawing.catch(() => {});
    await liar.told("withdrawPropose");
    expect((await alice.node.channel(liar.channelId)).sendCapacity).toBe(DEPOSIT - 500n);
    await world.pass(2_000 + Math.max(0, Math.floor(Date.now() / 1000) - (await world.chain.time())));
    await expect(withdrawing).rejects.toMatchObject({ code: "withdrawal_lapsed" });
    expect((await alice.node.channel(liar.channelId)).sendCapacity).toBe(DEPOSIT);
  }, 20_000);
});

/** Runs last: the chain has the last word on all of them. */
describe("every channel that was lied on", () => {
  it("pays Alice at least what she is due", async () => {
    const owed = [...due];
    expect(owed.length).toBeGreaterThan(20);
    const closings = owed.map(([channelId]) => alice.node.close(channelId, { mode: "unilateral" }));
    for (const [channelId] of owed) {
      for (let i = 0; i < 400 && (await world.escrow.channelState(channelId)).status < 2n; i++)
        await sleep(50);
    }
    await world.pass(700);
    const closed = await Promise.all(closings);
    for (const [i, [channelId, least]] of owed.entries()) {
      expect([channelId, closed[i]!.paidOut![0] >= least]).toEqual([channelId, true]);
    }
  }, 60_000);
});

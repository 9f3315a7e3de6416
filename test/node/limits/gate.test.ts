import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { LimitsPolicy } from "../../../src/node/index.ts";
import {
  alice,
  bob,
  channelId,
  DEPOSIT,
  NONE,
  pay,
  sent,
  spenderOf,
  spending,
  token,
  world,
} from "./spendingWorld.ts";

describe("a budget", () => {
  it("is spent to the last unit by hundreds that come together, and not beyond", async () => {
    const spender = spenderOf({ budgets: [{ token, total: 1_000n }] });
    const before = await sent();
    const tries = await Promise.allSettled(Array.from({ length: 300 }, () => pay(spender, 7n)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(142);
    const reasons = new Set(tries.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : [])));
    expect([...reasons]).toEqual(["budget_exceeded"]);
    expect((await sent()) - before).toBe(142n * 7n);
    await pay(spender, 6n);
    await expect(pay(spender, 1n)).rejects.toMatchObject({ code: "budget_exceeded" });
  });

  it("of an ancestor binds all that were made from it, together", async () => {
    const grandparent = spenderOf({ budgets: [{ token, total: 100n }] });
    const parent = spenderOf({ parent: grandparent, budgets: [{ token, total: 1_000n }] });
    const [a, b] = [spenderOf({ parent }), spenderOf({ parent, budgets: [{ token, perPayment: 60n }] })];
    await pay(a, 50n);
    await expect(pay(b, 61n)).rejects.toMatchObject({ code: "budget_exceeded" });
    await expect(pay(b, 51n)).rejects.toMatchObject({ code: "budget_exceeded" });
    await pay(b, 50n);
    await expect(pay(a, 1n)).rejects.toMatchObject({ code: "budget_exceeded" });
    expect((await spending().spentBy(grandparent, token)).total).toBe(100n);
  });

  it("is charged once for one payment, however often it is asked for, and the receipt comes when it is used up", async () => {
    const spender = spenderOf({ budgets: [{ token, total: 10n }] });
    const id = randomBytes(16);
    const before = await sent();
    const receipts = await Promise.all([pay(spender, 10n, id), pay(spender, 10n, id), pay(spender, 10n, id)]);
    expect(new Set(receipts.map(({ nonce, index }) => `${nonce}/${index}`)).size).toBe(1);
    expect(await pay(spender, 10n, id)).toEqual(receipts[0]);
    expect((await sent()) - before).toBe(10n);
    await expect(pay(spender, 9n, id)).rejects.toMatchObject({ code: "payment_conflict" });
  });

  it("gets back what was refused by the channel, at once", async () => {
    const spender = spenderOf({ budgets: [{ token, total: DEPOSIT * 2n }] });
    await expect(pay(spender, DEPOSIT * 2n)).rejects.toMatchObject({ code: "insufficient_capacity" });
    expect((await spending().spentBy(spender, token)).total).toBe(0n);
    await pay(spender, 1n);
  });

  it("does not come back with a restart", async () => {
    const spender = spenderOf({ budgets: [{ token, total: 20n }] });
    await pay(spender, 20n);
    await alice.node.stop();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channelId);
    await expect(pay(spender, 1n)).rejects.toMatchObject({ code: "budget_exceeded" });
  });

  it("allows no payee and no token that was not granted", async () => {
    const other = spenderOf({ payees: new Set([alice.node.signer]) });
    await expect(pay(other, 1n)).rejects.toMatchObject({ code: "payee_forbidden" });
    const child = spenderOf({ parent: other, payees: new Set([bob.node.signer]) });
    await expect(pay(child, 1n)).rejects.toMatchObject({ code: "payee_forbidden" });
    const elsewhere = spenderOf({ budgets: [{ token: alice.node.signer, total: 5n }] });
    await expect(pay(elsewhere, 1n)).rejects.toMatchObject({ code: "payee_forbidden" });
    await pay(spenderOf({ payees: new Set([bob.node.signer]), budgets: [{ token, total: 5n }] }), 1n);
  });
});

describe("the node's limits", () => {
  it("bind every spender together, and those of a peer the peer", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perHour: 100n, perPayment: 80n }] });
    await expect(pay(undefined, 81n)).rejects.toMatchObject({
      code: "limit_exceeded",
      fields: { rule: "node.perPayment", limit: 80n },
    });
    await pay(spenderOf({}), 60n);
    await expect(pay(spenderOf({}), 41n)).rejects.toMatchObject({
      fields: { rule: "node.perHour", spent: 60n },
    });
    await spending().setPolicy({ ...NONE, peers: [{ peer: bob.node.signer, token, perDay: 5n }] });
    await pay(undefined, 5n);
    await expect(pay(undefined, 1n)).rejects.toMatchObject({ fields: { rule: "peer.perDay" } });
  });

  it("are kept over a restart, with what was spent", async () => {
    const policy: LimitsPolicy = {
      ...NONE,
      node: [{ token, perMonth: 1_000_000n, perChannel: DEPOSIT * 3n }],
    };
    await spending().setPolicy(policy);
    await pay(undefined, 999_000n);
    await alice.node.stop();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channelId);
    expect(spending().policy).toEqual(policy);
    await expect(pay(undefined, 1_001n)).rejects.toMatchObject({ fields: { rule: "node.perMonth" } });
  });

  it("keep too much of our own money out of one channel", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perChannel: DEPOSIT }] });
    await expect(alice.node.deposit(channelId, DEPOSIT)).rejects.toMatchObject({ code: "limit_exceeded" });
    const peer = bob.node.signer;
    await expect(
      alice.node.openChannel({ peer, token, deposit: DEPOSIT + 1n, challengePeriod: 600 }),
    ).rejects.toMatchObject({ code: "limit_exceeded" });
  });

  describe("of our own money in one channel", () => {
    const deposit = (amount: bigint, options: Parameters<typeof alice.node.deposit>[2] = {}) =>
      alice.node.deposit(channelId, amount, options);
    const deposited = async () => (await alice.node.channel(channelId)).deposits[0];
    /** Room for a deposit of 1,000 and no more. */
    const limitTo1000 = async () => {
      const { deposits, withdrawn, sent, received } = await alice.node.channel(channelId);
      const own = deposits[0] - withdrawn[0] + received - sent;
      await spending().setPolicy({ ...NONE, node: [{ token, perChannel: own + 1_000n }] });
    };

    it("bind deposits that come together", async () => {
      await limitTo1000();
      const before = await deposited();
      const all = await Promise.allSettled([deposit(600n), deposit(600n), deposit(600n)]);
      const refused = all.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
      expect(refused).toHaveLength(2);
      for (const reason of refused) expect(reason).toMatchObject({ code: "limit_exceeded" });
      expect((await deposited()) - before).toBe(600n);
    });

    it("count a deposit once that is asked for again", async () => {
      await limitTo1000();
      const before = await deposited();
      for (let i = 0; i < 3; i++) await deposit(1_000n, { name: "once" });
      expect((await deposited()) - before).toBe(1_000n);
      await expect(deposit(1n)).rejects.toMatchObject({ code: "limit_exceeded" });
    });

    it("count a deposit that is under way though nobody waits for it any more", async () => {
      await limitTo1000();
      const before = await deposited();
      await world.chain.provider.send("evm_setAutomine", [false]);
      try {
        const sent = Promise.withResolvers<void>();
        const giveUp = new AbortController();
        const first = deposit(600n, {
          name: "given up",
          signal: giveUp.signal,
          onProgress: ({ step, progress }) => {
            if (step === "approve") void world.chain.provider.send("evm_mine", []);
            if (step === "deposit" && progress?.stage === "sent") sent.resolve();
          },
        });
        await sent.promise;
        giveUp.abort(new Error("enough"));
        await expect(first).rejects.toThrow("enough");
        await expect(deposit(600n)).rejects.toMatchObject({ code: "limit_exceeded" });
      } finally {
        await world.chain.provider.send("evm_setAutomine", [true]);
        await world.chain.provider.send("evm_mine", []);
      }
      await deposit(600n, { name: "given up" });
      expect((await deposited()) - before).toBe(600n);
    });
  });

  it("two of one thing are refused: nobody could say which counts", async () => {
    const node = [
      { token, perHour: 1n },
      { token, perHour: 2n },
    ];
    await expect(spending().setPolicy({ ...NONE, node })).rejects.toMatchObject({ code: "option_invalid" });
  });
});

describe("a held payment", () => {
  const holding = () =>
    spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });

  it("is made once it is approved: that amount, that payment, and nothing else", async () => {
    await holding();
    const id = randomBytes(16);
    const before = await sent();
    const held = await pay(undefined, 11n, id).catch((error) => error);
    expect(held).toMatchObject({ code: "payment_held", fields: { state: "waiting" } });
    await expect(pay(undefined, 11n, id)).rejects.toMatchObject({
      fields: { approval: held.fields.approval },
    });
    expect(
      spending()
        .approvals.list()
        .filter(({ state }) => state === "waiting"),
    ).toHaveLength(1);
    await spending().decide(held.fields.approval, "approved");
    await expect(pay(undefined, 12n, id)).rejects.toMatchObject({ code: "payment_conflict" });
    const receipt = await pay(undefined, 11n, id);
    expect(await pay(undefined, 11n, id)).toEqual(receipt);
    expect((await sent()) - before).toBe(11n);
    await expect(pay(undefined, 11n)).rejects.toMatchObject({ code: "payment_held" });
  });

  it("that was denied is never made, nor can it be approved afterwards", async () => {
    await holding();
    const id = randomBytes(16);
    const held = await pay(undefined, 11n, id).catch((error) => error);
    await spending().decide(held.fields.approval, "denied");
    await expect(pay(undefined, 11n, id)).rejects.toMatchObject({ fields: { state: "denied" } });
    await expect(spending().decide(held.fields.approval, "approved")).rejects.toMatchObject({
      code: "approval_ended",
    });
  });

  it("approved still needs a budget and a thawed node", async () => {
    await holding();
    const spender = spenderOf({ budgets: [{ token, total: 30n }] });
    const id = randomBytes(16);
    const held = await pay(spender, 20n, id).catch((error) => error);
    await spending().decide(held.fields.approval, "approved");
    await spending().freeze("a test");
    await expect(pay(spender, 20n, id)).rejects.toMatchObject({ code: "spending_frozen" });
    await spending().unfreeze();
    for (let i = 0; i < 2; i++) await pay(spender, 10n);
    await expect(pay(spender, 20n, id)).rejects.toMatchObject({ code: "budget_exceeded" });
  });

  it("cannot be one of a thousand of the same spender", async () => {
    await holding();
    const spender = spenderOf({});
    const codes: string[] = [];
    for (let i = 0; i < 25; i++) codes.push((await pay(spender, 11n).catch((error) => error)).code);
    expect(codes.filter((code) => code === "payment_held")).toHaveLength(20);
    expect(codes.slice(20)).toEqual(Array(5).fill("queue_full"));
  });
});

describe("the brake", () => {
  it("stops every spender until it is released, over a restart too, and neither receiving nor closing", async () => {
    await spending().freeze("stolen laptop");
    await expect(pay(undefined, 1n)).rejects.toMatchObject({
      code: "spending_frozen",
      fields: { reason: "stolen laptop" },
    });
    await alice.node.stop();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channelId);
    expect(spending().frozen?.reason).toBe("stolen laptop");
    await expect(pay(undefined, 1n)).rejects.toMatchObject({ code: "spending_frozen" });
    await bob.node.pay({ channelId, amount: 3n });
    await spending().unfreeze();
    await pay(undefined, 1n);
  });

  it("is pulled by a limit that says so, and the reason is kept for audit", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "freeze" });
    await expect(pay(undefined, 11n)).rejects.toMatchObject({ code: "limit_exceeded" });
    await expect(pay(undefined, 1n)).rejects.toMatchObject({ code: "spending_frozen" });
    const verdicts: string[] = [];
    for await (const { verdict } of spending().decisions.list({ limit: 2 })) verdicts.push(verdict);
    expect(verdicts).toEqual(["frozen", "refused"]);
  });

  it("is told as it happens", async () => {
    const told: string[] = [];
    alice.node.on("decision", ({ verdict, rule }) => told.push(`${verdict} ${rule}`));
    await spending().freeze("once");
    await spending().unfreeze();
    expect(told).toEqual(["frozen freeze", "thawed freeze"]);
    alice.node.removeAllListeners("decision");
  });
});

describe("the velocity alarm", () => {
  it("holds what is far above the floor and the habit", async () => {
    const velocity = {
      windowSeconds: 60,
      times: 10,
      floor: [{ token, amount: 500n }],
      onTrip: "hold",
    } as const;
    await spending().setPolicy({ ...NONE, velocity });
    const spender = spenderOf({});
    await pay(spender, 400n);
    await expect(pay(spender, 101n)).rejects.toMatchObject({ code: "payment_held" });
    await pay(spender, 100n);
  });
});

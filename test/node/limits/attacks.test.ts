import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Spender } from "../../../src/node/index.ts";
import type { Address } from "../../../src/protocol/index.ts";
import { collect } from "../support/collect.ts";
import { openFunded } from "../support/world.ts";
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

// Before the world is set back: what it waits for takes real time.
afterEach(() => vi.useRealTimers());

/** As access tokens make them: whatever was made from one that was given out answers as that one. */
const childrenOf = (parent: Spender, count: number) =>
  Array.from({ length: count }, () => spenderOf({ parent, answersAs: parent.id }));
const codeOf = (payment: Promise<unknown>): Promise<string> =>
  payment.then(
    () => "paid",
    (error: { code: string }) => error.code,
  );

describe("many spenders made from one", () => {
  it("hold no more payments together than it may alone", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });
    const codes: string[] = [];
    for (const child of childrenOf(spenderOf(), 25)) codes.push(await codeOf(pay(child, 11n)));
    expect(codes).toEqual([...Array(20).fill("payment_held"), ...Array(5).fill("queue_full")]);
    expect(await codeOf(pay(spenderOf(), 11n))).toBe("payment_held");
  });

  it("cannot wash the audit log out", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }] });
    const children = childrenOf(spenderOf(), 50);
    for (const child of children) await codeOf(pay(child, 11n));
    const noted: number[] = [];
    for await (const { count, spender } of spending().decisions.list({ limit: 100 })) {
      if (children.some(({ id }) => id === spender)) noted.push(count);
    }
    expect(noted).toEqual([32]);
  });

  it("cannot wash it out with tokens of money that nobody has heard of", async () => {
    const thief = spenderOf({ budgets: [{ token, total: 10n }] });
    const noted = async () => {
      let count = 0;
      for await (const one of spending().decisions.list({ limit: 1_000 }))
        if (one.spender === thief.id) count++;
      return count;
    };
    for (let at = 0; at < 50; at++) {
      const strange = `0x${at.toString(16).padStart(40, "0")}` as Address;
      const payment = { peer: bob.node.signer, token: strange, amount: 1n };
      expect(await codeOf(spending().assertMayPay(thief, payment))).toBe("payee_forbidden");
    }
    expect(await noted()).toBe(1);
    await spending().freeze("by hand");
    for (let at = 0; at < 50; at++) {
      const strange = `0x${at.toString(16).padStart(40, "0")}` as Address;
      const payment = { peer: bob.node.signer, token: strange, amount: 1n };
      expect(await codeOf(spending().assertMayPay(thief, payment))).toBe("spending_frozen");
    }
    expect(await noted()).toBe(2);
  });

  it("have one habit", async () => {
    const velocity = {
      windowSeconds: 60,
      times: 10,
      floor: [{ token, amount: 500n }],
      onTrip: "refuse",
    } as const;
    // The peer's own habit would ring first; this is about the spender's.
    const { channelId: elsewhere } = await openFunded(alice, await world.node(), DEPOSIT, token);
    await spending().setPolicy({ ...NONE, velocity });
    const [a, b] = childrenOf(spenderOf(), 2);
    expect(await codeOf(pay(a, 300n))).toBe("paid");
    const other = spending().pay(b, { channelId: elsewhere, amount: 300n, id: randomBytes(16) });
    await expect(other).rejects.toMatchObject({ code: "limit_exceeded", fields: { rule: "velocity" } });
    const own = spending().pay(spenderOf(), { channelId: elsewhere, amount: 300n, id: randomBytes(16) });
    expect(await codeOf(own)).toBe("paid");
    for await (const { reason } of spending().decisions.list({ limit: 1 })) {
      expect(reason).toContain("600 within 60 s is more than the floor of 500");
    }
  });
});

describe("the velocity alarm", () => {
  it("learns nothing from payments that were not made", async () => {
    const velocity = {
      windowSeconds: 60,
      times: 10,
      floor: [{ token, amount: DEPOSIT * 8n }],
      onTrip: "refuse",
    } as const;
    await spending().setPolicy({ ...NONE, velocity });
    const spender = spenderOf();
    for (let i = 0; i < 20; i++)
      expect(await codeOf(pay(spender, DEPOSIT * 2n))).toBe("insufficient_capacity");
    expect(await codeOf(pay(spender, 1n))).toBe("paid");
  });
});

describe("an approval", () => {
  it("is worth nothing once it expired, whatever was decided", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });
    const [approved, late] = [randomBytes(16), randomBytes(16)];
    const held = await Promise.all(
      [approved, late].map((id) => pay(undefined, 11n, id).catch((error) => error)),
    );
    await spending().decide(held[0].fields.approval, "approved");
    const before = await sent();
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 24 * 3_600_000 + 1_000);
    for (const id of [approved, late]) {
      await expect(pay(undefined, 11n, id)).rejects.toMatchObject({
        code: "payment_held",
        fields: { state: "expired" },
      });
    }
    await expect(spending().decide(held[1].fields.approval, "approved")).rejects.toMatchObject({
      code: "approval_ended",
    });
    expect(await sent()).toBe(before);
  });

  it("is for whoever asked: another neither uses it nor is bound by its denial", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });
    const [owner, thief] = [spenderOf(), spenderOf()];
    const id = randomBytes(16);
    const held = await pay(owner, 11n, id).catch((error) => error);
    await spending().decide(held.fields.approval, "approved");
    const stolen = await pay(thief, 11n, id).catch((error) => error);
    expect(stolen).toMatchObject({ code: "payment_held", fields: { state: "waiting" } });
    await spending().decide(stolen.fields.approval, "denied");
    await expect(pay(thief, 11n, id)).rejects.toMatchObject({ fields: { state: "denied" } });
    expect(await codeOf(pay(owner, 11n, id))).toBe("paid");
  });

  it("of a payment of a request blocks no other amount, and is kept for its channel", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });
    const made = await bob.node.requests.make({ token });
    const request = (spender: Spender, amount: bigint) =>
      alice.node.requests.pay(spender, made.request, { amount });
    const [thief, owner] = [spenderOf(), spenderOf()];
    await expect(request(thief, 12n)).rejects.toMatchObject({ code: "payment_held" });
    const held = await request(owner, 11n).catch((error) => error);
    expect(held).toMatchObject({ code: "payment_held", fields: { state: "waiting" } });
    // Chosen now it would be this one, since it can pay more.
    await openFunded(alice, bob, DEPOSIT * 2n, token);
    await spending().decide(held.fields.approval, "approved");
    expect(await request(owner, 11n)).toMatchObject({ amount: 11n, channelId });
  });

  it("is for one channel", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "hold" });
    const { channelId: elsewhere } = await openFunded(alice, await world.node(), DEPOSIT, token);
    const id = randomBytes(16);
    const held = await pay(undefined, 11n, id).catch((error) => error);
    await spending().decide(held.fields.approval, "approved");
    const other = spending().pay(undefined, { channelId: elsewhere, amount: 11n, id });
    await expect(other).rejects.toMatchObject({ code: "payment_held", fields: { state: "waiting" } });
  });
});

describe("the brake", () => {
  it("that a payment pulls stops what came with it", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perPayment: 10n }], onLimit: "freeze" });
    const spender = spenderOf({ budgets: [{ token, total: 1_000n }] });
    const before = await sent();
    const all = await Promise.all(
      [pay(spender, 11n), ...Array.from({ length: 20 }, () => pay(spender, 1n))].map(codeOf),
    );
    expect(new Set(all)).toEqual(new Set(["limit_exceeded", "spending_frozen"]));
    expect(await sent()).toBe(before);
    expect((await spending().spentBy(spender, token)).total).toBe(0n);
  });

  it("stops a payment that waits for its peer", async () => {
    await bob.node.stop();
    await expect.poll(async () => (await alice.node.channel(channelId)).connected).toBe(false);
    const spender = spenderOf({ budgets: [{ token, total: 5n }] });
    const waiting = codeOf(pay(spender, 5n));
    await expect.poll(async () => (await spending().spentBy(spender, token)).total).toBe(5n);
    await spending().freeze("a thief waits");
    await bob.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    expect(await waiting).toBe("spending_frozen");
    await spending().unfreeze();
    expect(await codeOf(pay(spender, 5n))).toBe("paid");
  });

  it("stays pulled when it is pulled while it is released", async () => {
    await spending().freeze("first");
    await Promise.all([spending().unfreeze(), spending().freeze("second")]);
    expect(spending().frozen?.reason).toBe("second");
    await alice.node.stop();
    await alice.restart();
    expect(spending().frozen?.reason).toBe("second");
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channelId);
  });

  it("pulled again and again is noted once", async () => {
    const frozen = async () =>
      (await collect(spending().decisions.list({ limit: 1_000 }))).filter(
        ({ verdict }) => verdict === "frozen",
      );
    const before = (await frozen()).length;
    for (let i = 0; i < 30; i++) await spending().freeze(`again ${i}`);
    expect(await frozen()).toHaveLength(before + 1);
    expect(spending().frozen?.reason).toBe("again 0");
  });
});

describe("a peer that opens a channel", () => {
  it("gets no more of our money into it than the policy lets be there", async () => {
    await spending().setPolicy({ ...NONE, node: [{ token, perChannel: 1_000n }] });
    const { channelId: theirs } = await bob.node.openChannel({
      peer: alice.node.signer,
      token,
      deposit: 5_000n,
      requestDeposit: 5_000n,
      challengePeriod: 600,
    });
    expect((await bob.node.channel(theirs)).deposits).toEqual([5_000n, 1_000n]);
  });
});

describe("a payment", () => {
  it("of a request tells a spender that could not have made it nothing", async () => {
    const made = await bob.node.requests.make({ token, amount: 50n });
    const request = (rest: Omit<Spender, "id"> = {}) =>
      codeOf(alice.node.requests.pay(spenderOf(rest), made.request, {}));
    expect(await request()).toBe("paid");
    expect(await request({ payees: new Set([alice.node.signer]) })).toBe("payee_forbidden");
    expect(await request({ budgets: [] })).toBe("payee_forbidden");
    expect(await request({ budgets: [{ token, total: 49n }] })).toBe("budget_exceeded");
    expect(await request({ parent: spenderOf({ budgets: [{ token, perPayment: 49n }] }) })).toBe(
      "budget_exceeded",
    );
    expect(await request({ budgets: [{ token, total: 50n }] })).toBe("paid");
  });

  it("given up while the peer was away is not charged", async () => {
    await bob.node.stop();
    await expect.poll(async () => (await alice.node.channel(channelId)).connected).toBe(false);
    const spender = spenderOf({ budgets: [{ token, total: 5n }] });
    const giveUp = new AbortController();
    const waiting = spending().pay(spender, {
      channelId,
      amount: 5n,
      id: randomBytes(16),
      signal: giveUp.signal,
    });
    await expect.poll(async () => (await spending().spentBy(spender, token)).total).toBe(5n);
    giveUp.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect((await spending().spentBy(spender, token)).total).toBe(0n);
    await bob.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    expect(await codeOf(pay(spender, 5n))).toBe("paid");
  });
});

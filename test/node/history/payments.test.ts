import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Label } from "../../../src/api/schema/common.ts";
import type { PaymentsQuery } from "../../../src/node/history/paymentList.ts";
import type { ListedPayment, RivuletNode } from "../../../src/node/index.ts";
import { type ChannelId, toHex } from "../../../src/protocol/index.ts";
import { openBoth, openWorld, type TestNode, type World } from "../support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;
let carol: TestNode;
const LOG = { eventLog: {} };
const DEPOSIT = 10n ** 15n;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob, carol] = [await world.node(LOG), await world.node(LOG), await world.node(LOG)];
}, 60_000);

afterAll(() => world?.stop());

/** The whole list, page by page. */
async function list(node: RivuletNode, query: PaymentsQuery): Promise<ListedPayment[]> {
  const all: ListedPayment[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await node.history.payments({ ...query, cursor });
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 100);
    all.push(...page.items);
    if (page.next === undefined) return all;
    cursor = page.next;
  }
}

const nameOf = ({ channelId, direction, nonce, index }: ListedPayment) =>
  `${channelId} ${direction} ${nonce}.${index}`;

describe("the list of payments", () => {
  let withBob: ChannelId;
  let withCarol: ChannelId;
  const id = new Uint8Array(16).fill(3);

  beforeAll(async () => {
    ({ channelId: withBob } = await openBoth(alice, bob, DEPOSIT));
    ({ channelId: withCarol } = await openBoth(alice, carol, DEPOSIT));
    for (let i = 1; i <= 12; i++) {
      await alice.node.pay({ channelId: i % 3 === 0 ? withCarol : withBob, amount: BigInt(i) });
      await bob.node.pay({ channelId: withBob, amount: BigInt(100 + i) });
    }
    const burst = Array.from({ length: 5_000 }, () => ({ amount: 1n }));
    await alice.node.payMany(withBob, burst);
    const label = alice.node.history.labels.put(
      { channelId: withCarol, direction: "sent", paymentId: toHex(id) },
      "rent",
    );
    await Promise.all([label, alice.node.pay({ channelId: withCarol, amount: 77n, id })]);
  }, 60_000);

  it.each([7, 100, 1_000])("gives everything once, newest first, in pages of %i", async (limit) => {
    const all = await list(alice.node, { limit });
    expect(all).toHaveLength(12 + 12 + 5_000 + 1);
    expect(new Set(all.map(nameOf)).size).toBe(all.length);
    const times = all.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(all[0]).toMatchObject({ amount: 77n, label: "rent", channelId: withCarol, final: true });
    expect(all.at(-1)).toMatchObject({ amount: 1n, direction: "sent", nonce: 1n, channelId: withBob });
  });

  it.each<[string, () => PaymentsQuery, number]>([
    ["one channel", () => ({ channelId: withBob }), 8 + 12 + 5_000],
    ["one channel and direction", () => ({ channelId: withBob, direction: "received" }), 12],
    ["a direction", () => ({ direction: "received" }), 12],
    ["a peer", () => ({ peer: carol.node.signer }), 5],
    ["a peer, in a period", () => ({ peer: carol.node.signer, from: 0 }), 5],
    ["a channel, in a period", () => ({ channelId: withBob, from: 0, direction: "received" }), 12],
    ["a token", () => ({ token: world.tokenAddress }), 0],
    ["a label", () => ({ label: "rent" }), 1],
    ["a label on a channel", () => ({ label: "rent", channelId: withCarol }), 1],
    ["a label nobody gave", () => ({ label: "rant" }), 0],
    ["the time before there were any", () => ({ to: Date.now() - 3_600_000 }), 0],
    ["the time from now on", () => ({ from: Date.now() + 3_600_000 }), 0],
    ["an unknown channel", () => ({ channelId: `0x${"1".repeat(64)}` as ChannelId }), 0],
  ])("is filtered by %s", async (_name, query, count) => {
    const all = await list(alice.node, { ...query(), limit: 100 });
    expect(all).toHaveLength(count);
    expect(new Set(all.map(nameOf)).size).toBe(count);
  });

  it("takes periods as from their first to before their last millisecond, exactly", async () => {
    const all = await list(alice.node, { limit: 1_000 });
    const times = [...new Set(all.map(({ time }) => time))].sort((a, b) => a - b);
    const [from, to] = [times[3]!, times[9]!];
    const wanted = all.filter(({ time }) => time >= from && time < to);
    expect(await list(alice.node, { from, to, limit: 3 })).toEqual(wanted);
  });

  it("names each payment for ever", async () => {
    for (const payment of (await alice.node.history.payments({ limit: 20 })).items) {
      const { channelId, direction, nonce, index } = payment;
      expect(await alice.node.history.payment(channelId, direction, nonce, index)).toEqual(payment);
    }
    const unknown: [ChannelId, "sent" | "received", bigint, number][] = [
      [withBob, "sent", 1n, 1],
      [withBob, "received", 13n, 0],
      [withBob, "sent", 0n, 0],
      [withBob, "sent", 1n << 64n, 0],
      [`0x${"2".repeat(64)}` as ChannelId, "sent", 1n, 0],
    ];
    for (const name of unknown) {
      await expect(alice.node.history.payment(...name)).rejects.toMatchObject({ code: "payment_unknown" });
    }
  });

  it("knows what never changes about a channel", async () => {
    const { history } = alice.node;
    const token = (await alice.node.channel(withBob)).token;
    const facts = { channelId: withBob, peer: bob.node.signer, token };
    expect(await history.channelFacts(withBob)).toMatchObject(facts);
    const unknown = `0x${"2".repeat(64)}` as ChannelId;
    await expect(history.channelFacts(unknown)).rejects.toMatchObject({ code: "channel_unknown" });
  });

  it("refuses cursors of other lists, and rubbish", async () => {
    const { next } = await alice.node.history.payments({ limit: 1 });
    const channelPage = await alice.node.history.payments({ limit: 1, channelId: withBob });
    const invalid = { code: "cursor_invalid" };
    const { history } = alice.node;
    for (const cursor of ["0", "t-1", `c-${"9".repeat(30)}-0-0-0`, channelPage.next!, `${next}0x`]) {
      await expect(history.payments({ cursor })).rejects.toMatchObject(invalid);
    }
    await expect(history.payments({ channelId: withBob, cursor: next })).rejects.toMatchObject(invalid);
    for (const limit of [0, 1_001, 1.5]) {
      await expect(history.payments({ limit })).rejects.toMatchObject({ code: "option_invalid" });
    }
  });

  it("shows a payment that is not acknowledged as not final", async () => {
    await bob.node.stop();
    // Signed before the end of the session is noticed, or not paid at all.
    const { items } = await alice.node.history.payments({ limit: 1_000, channelId: withBob });
    expect(items.every(({ final }) => final)).toBe(true);
    await bob.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(withBob);
  });
});

describe("labels", () => {
  it("stay with a payment that was made, and can change before that", async () => {
    const { labels } = alice.node.history;
    const { channelId } = await openBoth(alice, carol, DEPOSIT);
    const id = new Uint8Array(16).fill(9);
    const payment = { channelId, direction: "sent", paymentId: toHex(id) } as const;
    await labels.put(payment, "first");
    await labels.put(payment, "second");
    expect(await labels.of([payment])).toEqual(["second"]);
    await alice.node.pay({ channelId, amount: 1n, id });
    await labels.put(payment, "third");
    expect(await labels.of([payment, { ...payment, direction: "received" }])).toEqual(["second", undefined]);
  });

  it("are as long as the API can tell, or refused", async () => {
    const { labels } = alice.node.history;
    const { channelId } = await openBoth(alice, carol, DEPOSIT);
    const payment = { channelId, direction: "sent", paymentId: toHex(new Uint8Array(16).fill(8)) } as const;
    const refusal = { code: "option_invalid", fields: { option: "label", reason: "1 to 64 characters" } };
    for (const label of ["", "x".repeat(65)]) {
      await expect(labels.put(payment, label)).rejects.toMatchObject(refusal);
    }
    expect(await labels.of([payment])).toEqual([undefined]);
    const longest = Label.parse("x".repeat(64));
    await labels.put(payment, longest);
    expect(await labels.of([payment])).toEqual([longest]);
    expect(Label.safeParse(`${longest}x`).success).toBe(false);
  });
});

describe("a node that got its history later", () => {
  it("lists what was paid before, and again after a time without", async () => {
    const dave = await world.node();
    const { channelId } = await openBoth(dave, carol, DEPOSIT);
    for (let i = 0; i < 3; i++) await dave.node.pay({ channelId, amount: 1n });
    await expect(dave.node.history.payments({})).rejects.toMatchObject({ code: "history_off" });
    expect((await dave.node.history.payments({ channelId })).items).toHaveLength(3);
    for (const log of [{}, undefined, {}]) {
      await dave.node.stop();
      await dave.restart({}, { eventLog: log });
      await dave.node.connect(carol.node.addresses[0]!);
      await dave.node.pay({ channelId, amount: 1n });
    }
    await expect.poll(() => list(dave.node, {}), { timeout: 10_000 }).toHaveLength(6);
    const all = await list(dave.node, { limit: 2 });
    expect(all.map(({ nonce }) => nonce)).toEqual([6n, 5n, 4n, 3n, 2n, 1n]);
  }, 60_000);
});

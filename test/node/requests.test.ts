import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCrypto } from "../../src/crypto/create.ts";
import { deriveKeys } from "../../src/crypto/keys.ts";
import type { ChannelInfo } from "../../src/node/index.ts";
import type { MadeRequest } from "../../src/node/requests/requestInfo.ts";
import { MAX_READ } from "../../src/node/requests/requests.ts";
import { type Address, fromHex, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { decodeRequest, encodeRequest, type PaymentRequestTerms } from "../../src/wire/request.ts";
import { collect } from "./support/collect.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
const crypto = await createCrypto();

let world: World;
let alice: TestNode;
let bob: TestNode;
let channel: ChannelInfo;
/** What bob's clock is ahead, seconds. */
let ahead = 0;
const seams = { now: () => Date.now() / 1000 + ahead };

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node({}, seams)];
  channel = await openFunded(alice, bob, DEPOSIT);
}, 60_000);

afterAll(() => world?.stop());

let told: MadeRequest[] = [];
const tell = (request: MadeRequest) => void told.push(request);
beforeEach(() => {
  told = [];
  ahead = 0;
  bob.node.on("request", tell);
});
afterEach(() => void bob.node.off("request", tell));

const ask = (options: Partial<Parameters<typeof bob.node.requests.make>[0]> = {}) =>
  bob.node.requests.make({ token: ZERO_ADDRESS, amount: 500n, ...options });

function termsOf({ request }: MadeRequest): PaymentRequestTerms {
  const decoded = decodeRequest(request, crypto);
  if (!decoded.ok) throw new Error(decoded.code);
  return decoded.terms;
}

/** Totals as bob sees them: what he received, and what he sent back. */
async function totals() {
  const { received, sent } = await bob.node.channel(channel.channelId);
  return { received, sent };
}

/** Pays by hand, as a payer that keeps to no rule. */
async function payRaw(request: MadeRequest, change: { amount?: bigint; secret?: Uint8Array | "none" } = {}) {
  const { paymentHash, paymentSecret } = termsOf(request);
  const secret = change.secret === "none" ? undefined : (change.secret ?? paymentSecret);
  return alice.node.pay({
    channelId: channel.channelId,
    amount: change.amount ?? 500n,
    id: paymentHash.slice(0, 16),
    ...(secret !== undefined && { reference: secret }),
  });
}

describe("making requests", () => {
  it("keeps the preimage, shows the rest, and finds it again after a restart", async () => {
    const made = await ask({ description: "Two coffees", label: "table 4", expiresIn: 60 });
    expect(made).toMatchObject({
      state: "open",
      amount: 500n,
      label: "table 4",
      payable: true,
      expired: false,
    });
    expect(made.request).toMatch(/^rvt1/);
    expect(made.addresses[0]).toContain("/p2p/");
    expect(alice.node.requests.decode(made.uri)).toMatchObject({
      recipient: bob.node.signer,
      description: "Two coffees",
      paymentHash: made.paymentHash,
    });
    const stored = await bob.node.records.get<{ preimage: string }>("request", made.paymentHash.slice(0, 34));
    const hash = createHash("sha256").update(fromHex(stored!.preimage)).digest("hex");
    expect(`0x${hash}`).toBe(made.paymentHash);
    expect(
      JSON.stringify(made, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
    ).not.toContain(stored!.preimage.slice(2));
  });

  it("is idempotent by key, even at the same time, and refuses the key for something else", async () => {
    const options = { description: "once", idempotencyKey: "a/1" };
    const [first, second] = await Promise.all([ask(options), ask(options)]);
    expect(second.request).toBe(first.request);
    await expect(ask({ ...options, amount: 501n })).rejects.toMatchObject({ code: "request_conflict" });
    expect((await ask({ ...options, idempotencyKey: "a/2" })).request).not.toBe(first.request);
  });

  it("lists newest first, page by page and by state", async () => {
    const before: string[] = [];
    for await (const { request } of bob.node.requests.list()) before.push(request.paymentHash);
    const [one, two] = [await ask(), await ask({ expiresIn: 1 })];
    ahead = 2;
    const seen: { cursor: string; hash: string }[] = [];
    for await (const { cursor, request } of bob.node.requests.list())
      seen.push({ cursor, hash: request.paymentHash });
    expect(seen.map(({ hash }) => hash)).toEqual([two.paymentHash, one.paymentHash, ...before]);
    const rest: string[] = [];
    for await (const { request } of bob.node.requests.list({ after: seen[0]!.cursor }))
      rest.push(request.paymentHash);
    expect(rest).toEqual([one.paymentHash, ...before]);
    const expired: string[] = [];
    for await (const { request } of bob.node.requests.list({ state: "expired" }))
      expired.push(request.paymentHash);
    expect(expired).toEqual([two.paymentHash]);
    await expect(bob.node.requests.get(two.paymentHash)).resolves.toMatchObject({ state: "expired" });
  });

  it("reads so many for one page and no more, whatever of them it shows", async () => {
    const old = await ask({ expiresIn: 1 });
    await Promise.all(Array.from({ length: MAX_READ }, () => ask()));
    ahead = 2;
    const first = await bob.node.requests.page({ state: "expired", limit: 10 });
    expect(first.items).toEqual([]);
    const second = await bob.node.requests.page({ state: "expired", limit: 1, after: first.next });
    expect(second.items.map(({ request }) => request.paymentHash)).toEqual([old.paymentHash]);
    const found: string[] = [];
    for await (const { request } of bob.node.requests.list({ state: "expired" }))
      found.push(request.paymentHash);
    expect(found[0]).toBe(old.paymentHash);
  }, 60_000);

  it.each([
    ["an amount of zero", { amount: 0n }, "option_invalid"],
    ["an escape sequence", { description: "\u001b[2J" }, "option_invalid"],
    ["a life of two years", { expiresIn: 63_072_000 }, "option_invalid"],
    ["no token", { token: "gold" as Address }, "option_invalid"],
  ])("refuses %s", async (_what, options, code) => {
    await expect(ask(options)).rejects.toMatchObject({ code });
  });

  it("knows nothing of others' requests", async () => {
    const made = await ask();
    await expect(alice.node.requests.get(made.paymentHash)).rejects.toMatchObject({
      code: "request_unknown",
    });
    await expect(bob.node.requests.get("0x12")).rejects.toMatchObject({ code: "request_unknown" });
  });
});

describe("paying requests", () => {
  it("pays once for ever, however often and from however many sides it is asked to", async () => {
    const before = await totals();
    const made = await ask();
    const receipts = await Promise.all([1, 2, 3].map(() => alice.node.requests.pay(undefined, made.request)));
    receipts.push(await alice.node.requests.pay(undefined, made.uri.toUpperCase(), { amount: 500n }));
    expect(new Set(receipts.map(({ nonce, index }) => `${nonce}/${index}`)).size).toBe(1);
    expect(receipts[0]).toMatchObject({ peer: bob.node.signer, token: ZERO_ADDRESS, amount: 500n });
    expect(await totals()).toEqual({ ...before, received: before.received + 500n });
    await expect.poll(() => told).toHaveLength(1);
    expect(told[0]).toMatchObject({ state: "paid", paymentHash: made.paymentHash });
    const paid = (await bob.node.requests.get(made.paymentHash)).paid;
    expect(paid).toMatchObject({ channelId: channel.channelId, amount: 500n, nonce: receipts[0]!.nonce });
    ahead = 7_200;
    expect((await bob.node.requests.get(made.paymentHash)).state).toBe("paid");
  });

  it("takes the payer's amount where the request leaves it open, and no other where it does not", async () => {
    const open = await ask({ amount: undefined });
    const pay = alice.node.requests;
    await expect(pay.pay(undefined, open.request)).rejects.toMatchObject({ code: "request_amount_needed" });
    await pay.pay(undefined, open.request, { amount: 77n });
    await expect(pay.pay(undefined, open.request, { amount: 78n })).rejects.toMatchObject({
      code: "payment_conflict",
    });
    await expect.poll(() => told.map(({ paid }) => paid?.amount)).toEqual([77n]);
    const fixed = await ask();
    await expect(pay.pay(undefined, fixed.request, { amount: 499n })).rejects.toMatchObject({
      code: "request_amount_differs",
    });
  });

  it("refuses what is not for it, and sends nothing", async () => {
    const before = await totals();
    const signerKey = deriveKeys(bob.options.mnemonic).signer;
    const made = await ask();
    const terms = termsOf(made);
    const change = (some: Partial<PaymentRequestTerms>) =>
      encodeRequest({ ...terms, ...some }, signerKey, crypto);
    const now = Math.floor(Date.now() / 1000);
    const cases: [string, string][] = [
      [change({ chainId: 1n }), "request_other_network"],
      [change({ escrow: `0x${"12".repeat(20)}` as Address }), "request_other_network"],
      [change({ createdAt: now - 10, expiresAt: now - 1 }), "request_expired"],
      [change({ token: `0x${"12".repeat(20)}` as Address }), "request_no_channel"],
      [change({ amount: 10n ** 30n }), "insufficient_capacity"],
      [change({ recipient: `0x${"12".repeat(20)}` as Address }), "request_signature_invalid"],
      [`${made.request.slice(0, -1)}${made.request.endsWith("q") ? "p" : "q"}`, "request_checksum"],
      ["lnbc1", "request_prefix"],
    ];
    for (const [request, code] of cases) {
      await expect(alice.node.requests.pay(undefined, request)).rejects.toMatchObject({ code });
    }
    await expect(bob.node.requests.pay(undefined, made.request)).rejects.toMatchObject({
      code: "request_own",
    });
    expect(await totals()).toEqual(before);
  });

  it("takes the channel that can pay, and stays with it", async () => {
    const second = await openFunded(alice, bob, 2n * DEPOSIT);
    const made = await ask({ amount: DEPOSIT + 1n });
    const receipt = await alice.node.requests.pay(undefined, made.request);
    expect(receipt.channelId).toBe(second.channelId);
    // The first channel now has more; what was paid on the second is not paid again on it.
    expect(await alice.node.requests.pay(undefined, made.request)).toEqual(receipt);
    await alice.node.close(second.channelId);
    expect(await alice.node.requests.pay(undefined, made.request)).toEqual(receipt);
    expect((await bob.node.requests.get(made.paymentHash)).paid?.channelId).toBe(second.channelId);
  }, 60_000);

  it("finds the recipient by the request's addresses after both were gone", async () => {
    await alice.node.stop();
    await alice.restart();
    const made = await ask();
    const receipt = await alice.node.requests.pay(undefined, made.request);
    expect(receipt.channelId).toBe(channel.channelId);
    await expect.poll(() => told).toHaveLength(1);
  });

  it("says that the recipient is away, and waits no longer than asked to", async () => {
    const made = await ask();
    await bob.node.stop();
    try {
      await expect(alice.node.requests.pay(undefined, made.request)).rejects.toMatchObject({
        code: "peer_offline",
      });
    } finally {
      await bob.restart(seams);
      bob.node.on("request", tell);
      await alice.node.connect(bob.node.addresses[0]!);
      await alice.node.ready(channel.channelId);
    }
  });
});

describe("a payer that keeps to no rule", () => {
  /** Waits until bob has given back `amount` more, and alice has it. */
  async function refunded(before: { received: bigint; sent: bigint }, amount: bigint) {
    await expect.poll(totals).toEqual({ received: before.received + amount, sent: before.sent + amount });
    await expect
      .poll(async () => (await alice.node.channel(channel.channelId)).received)
      .toBe(before.sent + amount);
  }

  it.each([
    ["too little with the right secret", { amount: 1n }],
    ["too much", { amount: 501n }],
    ["the right amount with a guessed secret", { secret: randomBytes(32) }],
    ["without a secret", { secret: "none" }],
  ] as [string, { amount?: bigint; secret?: Uint8Array | "none" }][])(
    "pays %s: gets it back, and the request stays open",
    async (_what, change) => {
      const made = await ask();
      const before = await totals();
      await payRaw(made, change);
      await refunded(before, change.amount ?? 500n);
      expect(await bob.node.requests.get(made.paymentHash)).toMatchObject({ state: "open", paid: undefined });
      expect(told).toEqual([]);
    },
  );

  it("pays what was cancelled: gets it back, over a restart too", async () => {
    const [made, other] = [await ask(), await ask()];
    for (const { paymentHash } of [made, other, made]) {
      expect(await bob.node.requests.cancel(paymentHash)).toMatchObject({ paymentHash, state: "cancelled" });
    }
    const before = await totals();
    await payRaw(made);
    await refunded(before, 500n);
    await bob.node.stop();
    await bob.restart(seams);
    bob.node.on("request", tell);
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channel.channelId);
    const later = await totals();
    await payRaw(other);
    await refunded(later, 500n);
    expect((await bob.node.requests.get(other.paymentHash)).state).toBe("cancelled");
    expect(told).toEqual([]);
  }, 60_000);

  it("paid before it was cancelled: stays paid", async () => {
    const made = await ask();
    await payRaw(made);
    await expect.poll(() => told).toHaveLength(1);
    await expect(bob.node.requests.cancel(made.paymentHash)).rejects.toMatchObject({ code: "request_paid" });
    expect((await bob.node.requests.get(made.paymentHash)).state).toBe("paid");
    await expect(bob.node.requests.cancel(`0x${"12".repeat(32)}`)).rejects.toMatchObject({
      code: "request_unknown",
    });
  });

  it("pays while it is cancelled: it is paid or given back, and the answer says which", async () => {
    for (let round = 0; round < 10; round++) {
      const made = await ask();
      const before = await totals();
      const [cancelled] = await Promise.allSettled([
        bob.node.requests.cancel(made.paymentHash),
        payRaw(made),
      ]);
      const { state } = await bob.node.requests.get(made.paymentHash);
      expect(state).toBe(cancelled.status === "fulfilled" ? "cancelled" : "paid");
      const net = async () => {
        const { received, sent } = await totals();
        return received - before.received - (sent - before.sent);
      };
      await expect.poll(net).toBe(state === "paid" ? 500n : 0n);
    }
  });

  it("pays too late: gets it back", async () => {
    const made = await ask({ expiresIn: 1 });
    const before = await totals();
    ahead = 62;
    await payRaw(made);
    await refunded(before, 500n);
    expect((await bob.node.requests.get(made.paymentHash)).state).toBe("expired");
  });

  it("pays in the other node's last minute: is taken", async () => {
    const made = await ask({ expiresIn: 1 });
    ahead = 30;
    await payRaw(made);
    await expect.poll(() => told.map(({ paymentHash }) => paymentHash)).toEqual([made.paymentHash]);
  });

  it("pays twice over two channels at once: pays once and gets the other back", async () => {
    const second = await openFunded(alice, bob, DEPOSIT);
    const made = await ask();
    const { paymentHash, paymentSecret } = termsOf(made);
    const order = { amount: 500n, id: paymentHash.slice(0, 16), reference: paymentSecret };
    const ids = [channel.channelId, second.channelId];
    const sum = async () => {
      const both = await Promise.all(ids.map((id) => bob.node.channel(id)));
      return both.reduce((total, { received, sent }) => total + received - sent, 0n);
    };
    const before = await sum();
    await Promise.all(ids.map((channelId) => alice.node.pay({ ...order, channelId })));
    await expect.poll(sum).toBe(before + 500n);
    await expect.poll(() => told).toHaveLength(1);
    await alice.node.close(second.channelId);
  }, 60_000);

  it("pays in another token: gets it back", async () => {
    const other = await openFunded(alice, bob, DEPOSIT, world.tokenAddress);
    const made = await ask();
    const { paymentHash, paymentSecret } = termsOf(made);
    const id = paymentHash.slice(0, 16);
    await alice.node.pay({ channelId: other.channelId, amount: 500n, id, reference: paymentSecret });
    await expect.poll(async () => (await bob.node.channel(other.channelId)).sent).toBe(500n);
    expect((await bob.node.requests.get(made.paymentHash)).state).toBe("open");
  }, 60_000);

  it("is told by the refund which payment came back", async () => {
    const made = await ask();
    const before = await totals();
    const { nonce, index, paymentId } = await payRaw(made, { amount: 2n });
    await refunded(before, 2n);
    const place = `${nonce.toString(16).padStart(16, "0")}${index.toString(16).padStart(16, "0")}`;
    // Totals are known in the turn that takes an update, what is listed only once it is written.
    const newest = async () => [...(await collect(alice.node.received(channel.channelId))).at(-1)!][0];
    await expect.poll(newest).toMatchObject({ amount: 2n, refund: true, reference: `${paymentId}${place}` });
  });
});

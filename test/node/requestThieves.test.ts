import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCrypto } from "../../src/crypto/create.ts";
import type { MadeRequest } from "../../src/node/requests/requestInfo.ts";
import { packTransfers, readTransfers, type Transfer, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { recordKey } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";
import type { Store } from "../../src/store/store.ts";
import { decodeRequest } from "../../src/wire/request.ts";
import { collect } from "./support/collect.ts";
import { Liar } from "./support/liar.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
const crypto = await createCrypto();

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.stop());

const ask = (node: TestNode) => node.node.requests.make({ token: ZERO_ADDRESS, amount: 500n });

/** The transfer that pays `request`, with `change`. */
function transferFor({ request }: MadeRequest, change: Partial<Transfer> = {}): Transfer {
  const decoded = decodeRequest(request, crypto);
  if (!decoded.ok) throw new Error(decoded.code);
  const { paymentHash, paymentSecret } = decoded.terms;
  const paymentId = paymentHash.slice(0, 16);
  return { paymentId, amount: 500n, reference: paymentSecret, applicationId: true, refund: false, ...change };
}

describe("a payer that sends what no node would", () => {
  let alice: TestNode;
  let liar: Liar;
  let told: MadeRequest[];

  beforeAll(async () => {
    alice = await world.node();
    alice.node.on("request", (request) => told.push(request));
    liar = await Liar.open(world, alice, DEPOSIT);
  }, 60_000);
  beforeEach(() => {
    told = [];
  });
  afterAll(() => liar?.stop());

  const send = (transfers: readonly Transfer[]) => liar.pay(liar.sign(packTransfers(transfers)));
  const totals = async () => {
    const { received, sent } = await alice.node.channel(liar.channelId);
    return { received, sent };
  };
  /** Refunds of all updates that the liar got, by reference. */
  const refunds = () =>
    liar.heard
      .flatMap((message) => (message.kind === "update" ? [message.update] : []))
      .flatMap(({ entries }) => [...readTransfers(entries)]);

  it("pays one request many times in one update: one pays, the others come back", async () => {
    const made = await ask(alice);
    const before = await totals();
    send(Array.from({ length: 5 }, () => transferFor(made)));
    await expect.poll(totals).toEqual({ received: before.received + 2_500n, sent: before.sent + 2_000n });
    await expect.poll(() => told).toHaveLength(1);
  });

  it("floods one update with thousands of wrong payments: they come back in a few updates, each once", async () => {
    const made = await ask(alice);
    const before = await totals();
    const heard = liar.heard.filter(({ kind }) => kind === "update").length;
    const reference = randomBytes(32);
    const count = 1_500;
    send(Array.from({ length: count }, () => transferFor(made, { amount: 1n, reference })));
    const back = { received: before.received + 1_500n, sent: before.sent + 1_500n };
    await expect.poll(totals).toEqual(back);
    await expect.poll(() => liar.state.received.transferred).toBe(back.sent);
    expect(liar.heard.filter(({ kind }) => kind === "update").length - heard).toBeLessThanOrEqual(3);
    const references = refunds().map((refund) => Buffer.from(refund.reference!).toString("hex"));
    expect(new Set(references).size).toBe(references.length);
    expect(refunds().every(({ refund, applicationId }) => refund && applicationId)).toBe(true);
    expect(await alice.node.requests.get(made.paymentHash)).toMatchObject({ state: "open" });
    const owed = await collect(alice.node.records.list("refund"));
    expect(owed).toEqual([]);
  });

  it("names a request in a refund, or under an id that is not its application's: an ordinary payment", async () => {
    const made = await ask(alice);
    const before = await totals();
    send([transferFor(made, { refund: true }), transferFor(made, { applicationId: false })]);
    await liar.told("ack", ({ nonce }) => nonce === liar.state.sent.nonce);
    send([transferFor(made)]);
    await expect.poll(() => told).toHaveLength(1);
    expect(await totals()).toEqual({ received: before.received + 1_500n, sent: before.sent });
  });

  it("sends broken entries behind an application's id: loses its session, and nothing else happens", async () => {
    const made = await ask(alice);
    const before = await totals();
    const update = liar.sign(packTransfers([transferFor(made)]));
    liar.pay({ ...update, entries: update.entries.subarray(0, 40) });
    expect(await liar.thrownOut()).toBe("entries_malformed");
    expect(await totals()).toEqual(before);
    await liar.connect();
    await expect.poll(() => told).toHaveLength(1);
  });

  it("is away when it is to get its money back: gets it once it comes again", async () => {
    const made = await ask(alice);
    const before = await totals();
    liar.acks = false;
    send([transferFor(made, { amount: 3n })]);
    await expect.poll(totals).toEqual({ received: before.received + 3n, sent: before.sent + 3n });
    await liar.disconnect();
    liar.acks = true;
    await liar.connect();
    await liar.until("the refund", () => liar.state.received.transferred === before.sent + 3n);
    liar.acknowledge();
    await expect.poll(() => collect(alice.node.records.list("refund"))).toEqual([]);
  });
});

/** A store that loses power with the `left`-th write from now on. */
class Breaker {
  left = Number.POSITIVE_INFINITY;
  /** The write behind the first one of a key that begins with this is the last. */
  after: Uint8Array | undefined;
  inner: Store | undefined;
  readonly seams = {
    database: {
      openStore: async (directory: string): Promise<Store> => {
        this.left = Number.POSITIVE_INFINITY;
        this.inner = await openLevelStore(directory);
        const power = new PowerLossStore(this.inner, { seed: 1 });
        return {
          get: (key) => power.get(key),
          lookUp: (key) => power.lookUp(key),
          getMany: (keys) => power.getMany(keys),
          range: (range) => power.range(range),
          flush: () => power.flush(),
          close: () => power.close(),
          write: async (ops, options) => {
            if (--this.left === 0) await power.crash();
            const { after } = this;
            if (
              after !== undefined &&
              ops.some(({ key }) => Buffer.from(key).subarray(0, after.length).equals(after))
            ) {
              this.left = 1;
            }
            return power.write(ops, options);
          },
        };
      },
    },
  };
}

describe("a recipient that loses power", () => {
  let alice: TestNode;
  let bob: TestNode;
  const breaker = new Breaker();

  beforeAll(async () => {
    [alice, bob] = [await world.node(), await world.node({}, breaker.seams)];
  }, 60_000);

  /** Bob dies of his next failing write and comes back. */
  async function revive(): Promise<void> {
    await expect.poll(() => bob.warnings).toContain("store_failed");
    bob.warnings.length = 0;
    await bob.node.stop();
    await breaker.inner!.close();
    await bob.restart(breaker.seams);
    await bob.node.connect(alice.node.addresses[0]!);
  }

  it.each([1, 2, 3, 4, 5])(
    "with write %i after a wrong payment gives it back exactly once",
    async (left) => {
      const { channelId } = await openFunded(alice, bob, DEPOSIT);
      const made = await ask(bob);
      const { paymentId: id } = transferFor(made);
      breaker.left = left;
      const paying = alice.node.pay({ channelId, amount: 7n, id, reference: randomBytes(32) });
      // Enough writes of others for the power to fail, whichever of them it was counted to.
      for (let i = 0; i < 5 && breaker.left > 0; i++) await ask(bob).catch(() => {});
      await revive();
      await paying;
      await expect.poll(async () => (await alice.node.channel(channelId)).received).toBe(7n);
      await expect.poll(() => collect(bob.node.records.list("refund"))).toEqual([]);
      const { sent, received } = await bob.node.channel(channelId);
      expect([sent, received]).toEqual([7n, 7n]);
      await bob.node.close(channelId);
    },
    60_000,
  );

  it("and whose channel closes before it could give a payment back keeps it and says so", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const made = await ask(bob);
    const { paymentId: id } = transferFor(made);
    // The payment and what is owed for it are written, the refund is not.
    breaker.after = recordKey("refund", "");
    const paying = alice.node.pay({ channelId, amount: 7n, id, reference: randomBytes(32) });
    await expect.poll(() => bob.warnings).toContain("store_failed");
    breaker.after = undefined;
    bob.warnings.length = 0;
    await bob.node.stop();
    await breaker.inner!.close();
    await bob.restart(breaker.seams);
    expect(await collect(bob.node.records.list("refund"))).toHaveLength(1);
    void bob.node.close(channelId, { mode: "unilateral" }).catch(() => {});
    await expect.poll(() => bob.warnings, { timeout: 20_000 }).toContain("refund_impossible");
    expect(await collect(bob.node.records.list("refund"))).toEqual([]);
    expect(await collect(bob.node.records.list("refundImpossible"))).toHaveLength(1);
    await bob.node.connect(alice.node.addresses[0]!);
    await paying;
    await world.pass(700);
    const settled = async () => (await bob.node.channel(channelId)).paidOut;
    await expect.poll(settled, { timeout: 20_000 }).toEqual([DEPOSIT + 7n, DEPOSIT - 7n]);
    bob.warnings.length = 0;
  }, 60_000);

  it.each([1, 2, 3])(
    "with write %i after a payment knows for ever that its request is paid",
    async (left) => {
      const { channelId } = await openFunded(alice, bob, DEPOSIT);
      const made = await ask(bob);
      breaker.left = left;
      const { paymentId: id, reference } = transferFor(made);
      const paying = alice.node.pay({ channelId, amount: 500n, id, reference });
      for (let i = 0; i < 5 && breaker.left > 0; i++) await ask(bob).catch(() => {});
      await revive();
      const receipt = await paying;
      const { paid } = await bob.node.requests.get(made.paymentHash);
      expect(paid).toMatchObject({ channelId, nonce: receipt.nonce, index: receipt.index, amount: 500n });
      expect((await bob.node.channel(channelId)).received).toBe(500n);
      await bob.node.close(channelId);
    },
    60_000,
  );
});

describe("a payer that loses power", () => {
  it("pays a request once, whichever write was its last, though it has two channels with the recipient", async () => {
    const breaker = new Breaker();
    const [alice, bob] = [await world.node({}, breaker.seams), await world.node()];
    const first = await openFunded(alice, bob, DEPOSIT);
    const second = await openFunded(alice, bob, DEPOSIT);
    for (const left of [1, 2, 3]) {
      const made = await ask(bob);
      breaker.left = left;
      await alice.node.requests.pay(undefined, made.request).catch(() => {});
      for (let i = 0; i < 5 && breaker.left > 0; i++) await ask(alice).catch(() => {});
      await expect.poll(() => alice.warnings).toContain("store_failed");
      alice.warnings.length = 0;
      await alice.node.stop();
      await breaker.inner!.close();
      await alice.restart(breaker.seams);
      await alice.node.requests.pay(undefined, made.request);
      expect((await bob.node.requests.get(made.paymentHash)).state).toBe("paid");
    }
    const totals = await Promise.all([first, second].map(({ channelId }) => bob.node.channel(channelId)));
    expect(totals.reduce((sum, { received }) => sum + received, 0n)).toBe(1_500n);
    expect(totals.map(({ sent }) => sent)).toEqual([0n, 0n]);
  }, 60_000);
});

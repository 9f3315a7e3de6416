import { HDNodeWallet, Transaction } from "ethers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Account } from "../../src/chain/account.ts";
import type { Intent, Outcome, Progress } from "../../src/chain/intent.ts";
import {
  MAX_OPEN,
  type Publisher,
  type PublisherInit,
  type PublisherStatus,
} from "../../src/chain/publisher.ts";
import type { Address } from "../../src/protocol/address.ts";
import type { Channel } from "../../src/protocol/channel.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { first, on } from "./support/faultProxy.ts";
import {
  accountOf,
  contentsByNonce,
  openWorld,
  publisherFor,
  signal,
  TestStore,
  until,
  type World,
} from "./support/world.ts";

const GWEI = 1_000_000_000n;
const ETHER = 10n ** 18n;

describe("the publisher", () => {
  let world: World;
  let store: TestStore;
  let account: Account;
  let wallet: HDNodeWallet;
  let channel: Channel;
  let everSent: string[] = [];
  const running: Publisher[] = [];

  beforeAll(async () => {
    world = await openWorld(startAnvil);
  }, 30_000);

  afterAll(() => world.stop());

  beforeEach(async () => {
    world.proxy.reset();
    everSent = [];
    store = new TestStore();
    // Its own account each time: a nonce journal belongs to one account.
    wallet = HDNodeWallet.createRandom().connect(world.chain.provider);
    account = accountOf(wallet, world.crypto);
    await fund(account.address, ETHER);
    await setBaseFee(GWEI);
    channel = world.channel().channel;
  });

  afterEach(async () => {
    for (const publisher of running.splice(0)) await publisher.stop();
    await world.rpc("evm_setAutomine", true);
    await world.rpc("anvil_dropAllTransactions");
    for (const [, contents] of contentsByNonce([...everSent, ...world.proxy.raws()])) {
      // One content per nonce, and beside it at most its cancellation: nothing, to ourselves.
      const cancellation = [...contents].filter(
        (content) => content.toLowerCase() === `${account.address} 0x 0`,
      );
      expect(contents.size - cancellation.length).toBeLessThanOrEqual(1);
    }
  });

  const fund = (address: string, wei: bigint) =>
    world.rpc("anvil_setBalance", address, `0x${wei.toString(16)}`);
  const mine = () => world.rpc("evm_mine");
  const automine = (yes: boolean) => world.rpc("evm_setAutomine", yes);
  const setBaseFee = async (wei: bigint) => {
    await world.rpc("anvil_setNextBlockBaseFeePerGas", `0x${wei.toString(16)}`);
    await mine();
  };
  const depositIntent = (id: string, amount = 5n, deadline?: number): Intent => {
    const call = world.escrow.deposit(channel, channel.participant0, amount);
    return deadline === undefined ? { id, ...call } : { id, ...call, deadline };
  };
  const payIntent = (id: string, deadline?: number): Intent => {
    const to = `0x${"99".repeat(20)}` as Address;
    return deadline === undefined
      ? { id, to, data: "0x", value: 1n }
      : { id, to, data: "0x", value: 1n, deadline };
  };
  const begin = async (init: Partial<PublisherInit> = {}) => {
    const publisher = publisherFor(world, store, account, init);
    running.push(publisher);
    await publisher.start();
    return publisher;
  };
  const submit = (publisher: Publisher, intent: Intent) => {
    const progress: Progress[] = [];
    const outcome = publisher.submit(intent, { signal, onProgress: (step) => void progress.push(step) });
    outcome.catch(() => {});
    return { outcome, progress, stages: () => progress.map(({ stage }) => stage) };
  };
  const totalDeposit = async () => {
    const state = await world.escrow.channelState(idOf(), "latest", { signal });
    return state.deposit0;
  };
  const idOf = () =>
    world.fixture.idOf({ ...channel, challengePeriod: BigInt(channel.challengePeriod) }) as never;
  const sentFees = () => world.proxy.raws().map((raw) => Transaction.from(raw).maxFeePerGas ?? 0n);
  const chainNonce = () => world.eth.transactionCount(account.address, "latest", { signal });

  it("publishes an intent and tells each stage", async () => {
    const publisher = await begin({ confirmations: 3 });
    const { outcome, progress, stages } = submit(publisher, depositIntent("d1"));
    await until(() => stages().includes("mined"), "it is mined");
    await mine();
    await mine();
    expect(await outcome).toMatchObject({ ok: true });
    expect([...new Set(stages())]).toEqual(["signed", "sent", "mined", "confirmed"]);
    expect(progress.at(-1)).toMatchObject({ stage: "confirmed", confirmations: 3, needed: 3 });
    expect(await totalDeposit()).toBe(5n);
  });

  it.each([0, 1])(
    "is done as soon as mined with %d confirmations on a chain that mines on demand",
    async (confirmations) => {
      const publisher = await begin({ confirmations });
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
    },
  );

  it("does the same intent once, however often and whenever it is submitted", async () => {
    const publisher = await begin();
    const both = [submit(publisher, depositIntent("d1")), submit(publisher, depositIntent("d1"))];
    const [one, two] = await Promise.all(both.map(({ outcome }) => outcome));
    expect(one).toMatchObject({ ok: true });
    expect(two).toEqual(one);
    expect(await submit(publisher, depositIntent("d1")).outcome).toEqual(one);
    await publisher.stop();
    const later = await begin();
    expect(await submit(later, depositIntent("d1")).outcome).toEqual(one);
    expect(world.proxy.raws()).toHaveLength(1);
    expect(await totalDeposit()).toBe(5n);
  });

  it("refuses an id that stands for something else", async () => {
    const publisher = await begin();
    const conflict = { ok: false, code: "intent_conflict", id: "d1" };
    const { outcome } = submit(publisher, depositIntent("d1"));
    expect(await submit(publisher, depositIntent("d1", 6n)).outcome).toEqual(conflict);
    await outcome;
    expect(await submit(publisher, depositIntent("d1", 6n)).outcome).toEqual(conflict);
    expect(await totalDeposit()).toBe(5n);
  });

  it("sends nothing that would revert, says why by name, and lets the id be used again", async () => {
    const publisher = await begin();
    const settle = { id: "s1", ...world.escrow.settle(channel) };
    expect(await submit(publisher, settle).outcome).toMatchObject({
      ok: false,
      code: "tx_would_revert",
      revert: { error: "ChannelEscrow_WrongStatus", args: { channelId: idOf(), status: "0" } },
    });
    expect(await submit(publisher, depositIntent("s1")).outcome).toMatchObject({ ok: true });
    expect(world.proxy.raws()).toHaveLength(1);
  });

  it("decodes a revert for servers that estimate without saying", async () => {
    const publisher = await begin();
    world.proxy.rules = [
      on("eth_estimateGas", () => ({ kind: "error", code: -32000, message: "execution reverted" })),
    ];
    const outcome = await submit(publisher, { id: "s1", ...world.escrow.settle(channel) }).outcome;
    expect(outcome).toMatchObject({
      code: "tx_would_revert",
      revert: { error: "ChannelEscrow_WrongStatus" },
    });
  });

  it("says when the account cannot pay for gas, and sends nothing", async () => {
    await fund(account.address, 1_000n);
    const publisher = await begin();
    const outcome = await submit(publisher, depositIntent("d1")).outcome;
    expect(outcome).toMatchObject({ ok: false, code: "gas_wallet_empty", have: 1_000n });
    await fund(account.address, 2n);
    expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ code: "gas_wallet_empty" });
    expect(world.proxy.raws()).toHaveLength(0);
  });

  it("offers what a nearly empty account can pay when that still gets it mined", async () => {
    const publisher = await begin();
    await world.deposit(channel, 0, 1n);
    const gas =
      ((await world.eth.estimateGas(account.address, depositIntent("d"), { signal })) * 13n) / 10n + 30_000n;
    await fund(account.address, gas * 2_200_000_000n);
    expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
    expect(sentFees()[0]).toBeLessThan(2_300_000_000n);
  });

  it("takes what a mined deposit moved out of the account off its balance once", async () => {
    const publisher = await begin({ confirmations: 3 });
    const deposit = submit(publisher, depositIntent("d1", (ETHER * 6n) / 10n));
    await until(() => deposit.stages().includes("mined"), "it is mined");
    const paid = submit(publisher, payIntent("p1"));
    await until(() => paid.stages().includes("mined"), "the next is mined before the first is confirmed");
    await mine();
    await mine();
    expect(await paid.outcome).toMatchObject({ ok: true });
    expect(await deposit.outcome).toMatchObject({ ok: true });
  });

  it("refuses an intent that comes after its deadline", async () => {
    const publisher = await begin();
    const time = await world.chain.time();
    const outcome = await submit(publisher, depositIntent("d1", 5n, time - 1)).outcome;
    expect(outcome).toMatchObject({ ok: false, code: "deadline_passed", deadline: time - 1 });
  });

  it("reports a transaction that reverted after all, with its reason, for good", async () => {
    await automine(false);
    const publisher = await begin();
    const { outcome, stages } = submit(publisher, depositIntent("w1"));
    await until(() => stages().includes("sent"), "it is sent");
    // The channel is settled before the deposit gets its turn.
    const sides = world.fixture.sides;
    await world.rpc("anvil_dropAllTransactions");
    await automine(true);
    await world.deposit(channel, 0, 1n);
    const message = { channelId: idOf(), transferred0: 0n, transferred1: 0n, deadline: 2n ** 40n };
    const signatures = [
      Buffer.from((await world.fixture.sign(sides[0].signer, "CooperativeClose", message)).slice(2), "hex"),
      Buffer.from((await world.fixture.sign(sides[1].signer, "CooperativeClose", message)).slice(2), "hex"),
    ] as const;
    const close = world.escrow.closeCooperatively(channel, [0n, 0n], 2n ** 40n, signatures);
    await (await sides[0].account.sendTransaction({ ...close, gasLimit: 500_000n })).wait();
    await world.rpc("eth_sendRawTransaction", world.proxy.raws()[0]);
    const expected = { ok: false, code: "tx_reverted", revert: { error: "ChannelEscrow_WrongStatus" } };
    expect(await outcome).toMatchObject(expected);
    expect(await submit(publisher, depositIntent("w1")).outcome).toMatchObject(expected);
    expect(world.proxy.raws()).toHaveLength(1);
  });

  it("keeps nonces strictly in order and bounded when many come at once, the nearest deadline first", async () => {
    await automine(false);
    const publisher = await begin();
    const time = await world.chain.time();
    const late = Array.from({ length: 20 }, (_, i) => submit(publisher, payIntent(`p${i}`)));
    const soon = submit(publisher, payIntent("urgent", time + 600));
    await until(() => world.proxy.raws().length === MAX_OPEN, "as many are sent as may be open");
    await new Promise((resolve) => setTimeout(resolve, 80));
    const nonces = world.proxy.raws().map((raw) => Transaction.from(raw).nonce);
    expect(nonces).toEqual(Array.from({ length: MAX_OPEN }, (_, i) => i));
    expect(soon.stages()).toContain("sent");
    await automine(true);
    await mine();
    const outcomes = await Promise.all([...late, soon].map(({ outcome }) => outcome));
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(await chainNonce()).toBe(21);
  });

  it("goes on with the next as soon as others are mined, long before they are confirmed", async () => {
    const publisher = await begin({ confirmations: 100 });
    const many = Array.from({ length: 3 * MAX_OPEN }, (_, i) => submit(publisher, payIntent(`p${i}`)));
    await until(() => many.every(({ stages }) => stages().includes("mined")), "all are mined");
    const asked = world.proxy.count("eth_getTransactionReceipt");
    await mine();
    const told = () => many.filter(({ progress }) => Object(progress.at(-1)).confirmations > 1).length;
    await until(() => told() === many.length, "all are told to be deeper");
    expect(world.proxy.count("eth_getTransactionReceipt")).toBe(asked);
    await world.rpc("anvil_mine", "0x64");
    for (const { outcome } of many) expect(await outcome).toMatchObject({ ok: true });
  });

  describe("dying and coming back", () => {
    it("sends after a restart what was journalled and not sent", async () => {
      const one = await begin();
      world.proxy.rules = [on("eth_sendRawTransaction", () => ({ kind: "cut" }))];
      const { stages } = submit(one, depositIntent("d1"));
      await until(() => stages().includes("signed") && world.proxy.raws().length > 0, "it is signed");
      await one.stop();
      expect(await totalDeposit()).toBe(0n);
      world.proxy.rules = [];
      const two = await begin();
      await until(
        async () => (await totalDeposit()) === 5n,
        "the deposit is mined without being asked for again",
      );
      expect(await submit(two, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      expect(await chainNonce()).toBe(1);
    });

    it("sends nothing that was not journalled first", async () => {
      const publisher = await begin();
      store.before = () => {
        throw new Error("disk full");
      };
      const { outcome, progress } = submit(publisher, depositIntent("d1"));
      await until(
        () => progress.some((step) => step.stage === "waiting" && step.reason === "stalled"),
        "it waits",
      );
      expect(world.proxy.raws()).toHaveLength(0);
      store.before = () => {};
      expect(await outcome).toMatchObject({ ok: true });
      expect(await chainNonce()).toBe(1);
    });

    it("does not sign other content for a nonce when a write failed after it took", async () => {
      const publisher = await begin();
      const write = store.write.bind(store);
      let torn = 1;
      store.write = async (ops, options) => {
        await write(ops, options);
        if (torn-- > 0) throw new Error("timeout");
      };
      const one = submit(publisher, depositIntent("d1"));
      const two = submit(publisher, payIntent("p1", (await world.chain.time()) + 1_000));
      expect(await one.outcome).toMatchObject({ ok: true });
      expect(await two.outcome).toMatchObject({ ok: true });
      expect(await chainNonce()).toBe(2);
      expect(await totalDeposit()).toBe(5n);
    });

    it("knows after a restart what was mined while it was down, the answer to the send having been lost", async () => {
      const one = await begin();
      world.proxy.rules = [on("eth_sendRawTransaction", () => ({ kind: "lose" }))];
      const { stages } = submit(one, depositIntent("d1"));
      await until(() => stages().includes("signed"), "it is signed");
      await one.stop();
      world.proxy.rules = [];
      const two = await begin();
      expect(await submit(two, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      expect(await totalDeposit()).toBe(5n);
      expect(await chainNonce()).toBe(1);
    });

    it("goes through any number of restarts with one transaction", async () => {
      await automine(false);
      for (let i = 0; i < 3; i++) {
        const publisher = await begin();
        submit(publisher, depositIntent("d1"));
        await until(() => world.proxy.raws().length > i, "it is sent");
        await publisher.stop();
      }
      expect(new Set(world.proxy.raws()).size).toBe(1);
      await automine(true);
      await mine();
      const last = await begin();
      expect(await submit(last, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      expect(await totalDeposit()).toBe(5n);
    });

    it("hands in again what the pool forgot", async () => {
      await automine(false);
      const one = await begin();
      const { stages } = submit(one, depositIntent("d1"));
      await until(() => stages().includes("sent"), "it is sent");
      await world.rpc("anvil_dropAllTransactions");
      await one.stop();
      await automine(true);
      const two = await begin();
      expect(await submit(two, depositIntent("d1")).outcome).toMatchObject({ ok: true });
    });

    it("refuses a damaged journal", async () => {
      const one = await begin();
      await submit(one, depositIntent("d1")).outcome;
      await one.stop();
      for (const value of store.values.values()) value[value.length - 3]! ^= 1;
      await expect(publisherFor(world, store, account).start()).rejects.toMatchObject({
        code: "journal_damaged",
      });
    });
  });

  describe("when the server fails", () => {
    it("waits out an outage and says so", async () => {
      const statuses: PublisherStatus[] = [];
      const publisher = await begin({ onStatus: (status) => void statuses.push(status) });
      world.proxy.rules = [() => ({ kind: "cut" })];
      const { outcome, progress } = submit(publisher, depositIntent("d1"));
      await until(
        () => progress.some((step) => step.stage === "waiting" && step.reason === "rpc_down"),
        "it waits",
      );
      world.proxy.rules = [];
      expect(await outcome).toMatchObject({ ok: true });
      expect(statuses.map(({ kind }) => kind)).toEqual(["outage", "recovered"]);
    });

    it("outlives a rate limit on every method", async () => {
      const publisher = await begin();
      world.proxy.rules = [first(5, () => ({ kind: "error", code: -32005, message: "limit exceeded" }))];
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
    });

    it("signs nothing for another chain behind the same address", async () => {
      world.proxy.rules = [on("eth_chainId", () => ({ kind: "answer", result: "0x1" }))];
      const statuses: PublisherStatus[] = [];
      const publisher = await begin({ onStatus: (status) => void statuses.push(status) });
      const { outcome } = submit(publisher, depositIntent("d1"));
      await until(() => statuses.length > 0, "the wrong chain is noticed");
      expect(statuses[0]).toMatchObject({ kind: "outage", failure: { code: "wrong_chain", actual: 1n } });
      expect(world.proxy.raws()).toHaveLength(0);
      world.proxy.rules = [];
      expect(await outcome).toMatchObject({ ok: true });
    });

    it("is not led to a second transaction by receipts that come late", async () => {
      const publisher = await begin();
      world.proxy.rules = [
        first(
          2,
          on("eth_getTransactionReceipt", () => ({ kind: "answer", result: null })),
        ),
      ];
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      expect(world.proxy.raws()).toHaveLength(1);
    });

    it("takes 'already known' for sent", async () => {
      await automine(false);
      const publisher = await begin();
      world.proxy.rules = [
        on("eth_sendRawTransaction", () => ({ kind: "error", code: -32000, message: "already known" })),
      ];
      const { stages } = submit(publisher, depositIntent("d1"));
      await until(() => stages().includes("sent"), "it counts as sent");
    });

    it("an abort ends the waiting, not the transaction", async () => {
      await automine(false);
      const publisher = await begin();
      const controller = new AbortController();
      const waiting = publisher.submit(depositIntent("d1"), { signal: controller.signal });
      await until(() => world.proxy.raws().length === 1, "it is sent");
      controller.abort(new Error("enough"));
      await expect(waiting).rejects.toThrow("enough");
      expect(publisher.pending()).toEqual(["d1"]);
      await automine(true);
      await mine();
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
    });
  });

  describe("fees", () => {
    const fees = {
      ceiling: 20n * GWEI,
      urgentCeiling: 1_000n * GWEI,
      urgencySeconds: 3_600,
      bumpAfterMs: 150,
    };

    it("replaces an unmined transaction by offers an eighth higher, never above the ceiling", async () => {
      await automine(false);
      let now = Date.now() / 1000;
      const publisher = await begin({ fees, now: () => now });
      const { outcome } = submit(publisher, depositIntent("d1"));
      for (let i = 0; i < 60; i++) {
        now += 0.2;
        publisher.poke();
        await new Promise((resolve) => setTimeout(resolve, 8));
      }
      await new Promise((resolve) => setTimeout(resolve, 100)); // a turn under way may offer once more
      const offers = world.proxy.raws().map((raw) => Transaction.from(raw));
      const distinct = [...new Map(offers.map((offer) => [offer.hash, offer])).values()];
      expect(distinct.length).toBeGreaterThan(4);
      for (const [i, offer] of distinct.entries()) {
        expect(offer.maxFeePerGas).toBeLessThanOrEqual(fees.ceiling);
        const before = distinct[i - 1];
        if (before === undefined) continue;
        expect(offer.maxFeePerGas! * 8n).toBeGreaterThanOrEqual(before.maxFeePerGas! * 9n);
        expect(offer.maxPriorityFeePerGas! * 8n).toBeGreaterThanOrEqual(before.maxPriorityFeePerGas! * 9n);
      }
      await automine(true);
      await mine();
      expect(await outcome).toMatchObject({ ok: true, hash: distinct.at(-1)?.hash });
      expect(await totalDeposit()).toBe(5n);
    });

    it("waits at the ceiling through a price spike when there is time, and gets through when it is over", async () => {
      await setBaseFee(50n * GWEI);
      const publisher = await begin({ fees });
      const { outcome, progress } = submit(publisher, depositIntent("d1"));
      await until(
        () => progress.some((step) => step.stage === "waiting" && step.reason === "fee_ceiling"),
        "it waits",
      );
      expect(await totalDeposit()).toBe(0n);
      expect(sentFees().every((fee) => fee <= fees.ceiling)).toBe(true);
      await setBaseFee(5n * GWEI);
      expect(await outcome).toMatchObject({ ok: true });
    });

    it("pays a price spike when the deadline is near", async () => {
      await fund(account.address, 1_000n * ETHER);
      await automine(false);
      const time = await world.chain.time();
      const publisher = await begin({ fees, now: () => time });
      const { outcome, stages } = submit(publisher, depositIntent("d1", 5n, time + 1_800));
      await until(() => stages().includes("sent"), "it is sent");
      await world.rpc("anvil_setNextBlockBaseFeePerGas", `0x${(300n * GWEI).toString(16)}`);
      await mine();
      await until(() => sentFees().some((fee) => fee > 300n * GWEI), "more than the spike is offered");
      expect(sentFees().every((fee) => fee <= fees.urgentCeiling)).toBe(true);
      await automine(true);
      await mine();
      expect(await outcome).toMatchObject({ ok: true });
    });

    it("raises the first in the line for the deadline of one behind it", async () => {
      await fund(account.address, 1_000n * ETHER);
      await automine(false);
      const time = await world.chain.time();
      const publisher = await begin({ fees, now: () => time });
      const cheap = submit(publisher, depositIntent("cheap"));
      await until(() => cheap.stages().includes("sent"), "the first is sent");
      await world.rpc("anvil_setNextBlockBaseFeePerGas", `0x${(300n * GWEI).toString(16)}`);
      await mine();
      const urgent = submit(publisher, payIntent("urgent", time + 900));
      await until(() => {
        const high = world.proxy
          .raws()
          .map((raw) => Transaction.from(raw))
          .filter((tx) => tx.maxFeePerGas! > 300n * GWEI);
        return high.some(({ nonce }) => nonce === 0) && high.some(({ nonce }) => nonce === 1);
      }, "both offer more than the spike");
      await automine(true);
      await mine();
      expect(await cheap.outcome).toMatchObject({ ok: true });
      expect(await urgent.outcome).toMatchObject({ ok: true });
    });

    it("does not believe a server's absurd priority fee", async () => {
      const publisher = await begin({ fees: { ...fees, maxPriority: 3n * GWEI } });
      world.proxy.rules = [
        on("eth_maxPriorityFeePerGas", () => ({ kind: "answer", result: "0xffffffffffff" })),
      ];
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      expect(Transaction.from(world.proxy.raws()[0]!).maxPriorityFeePerGas).toBe(3n * GWEI);
    });
  });

  describe("reorganisations and strangers", () => {
    it("gets a transaction mined again that a reorganisation removed before it was confirmed", async () => {
      const publisher = await begin({ confirmations: 3 });
      const { outcome, stages, progress } = submit(publisher, depositIntent("d1"));
      await until(() => stages().includes("mined"), "it is mined");
      await world.rpc("anvil_reorg", 1, []);
      await world.rpc("anvil_dropAllTransactions");
      await until(
        () => progress.some((step) => step.stage === "waiting" && step.reason === "reorganised"),
        "it is noticed",
      );
      await until(async () => (await totalDeposit()) === 5n, "it is mined again");
      await mine();
      await mine();
      expect(await outcome).toMatchObject({ ok: true });
      expect(new Set(world.proxy.raws()).size).toBe(1);
    });

    it("sends what may have been lost with replaced blocks as soon as it hears of them", async () => {
      await automine(false);
      // Its clock stands: no time passes after which it would be handed in again anyway.
      const now = Date.now() / 1000;
      const publisher = await begin({ now: () => now });
      const { outcome, stages } = submit(publisher, depositIntent("d1"));
      await until(() => stages().includes("sent"), "it is sent");
      await world.rpc("anvil_dropAllTransactions");
      await automine(true);
      publisher.reorganised();
      expect(await outcome).toMatchObject({ ok: true });
      expect(new Set(world.proxy.raws()).size).toBe(1);
    });

    it("gets a confirmed one mined again before its nonce can go to another", async () => {
      const publisher = await begin({ confirmations: 1 });
      expect(await submit(publisher, depositIntent("d1")).outcome).toMatchObject({ ok: true });
      await world.rpc("anvil_reorg", 1, []);
      await world.rpc("anvil_dropAllTransactions");
      expect(await totalDeposit()).toBe(0n);
      expect(await submit(publisher, payIntent("p1")).outcome).toMatchObject({ ok: true });
      expect(await totalDeposit()).toBe(5n);
      expect(await chainNonce()).toBe(2);
    });

    it("gets it mined again after a restart, too", async () => {
      const one = await begin({ confirmations: 1 });
      await submit(one, depositIntent("d1")).outcome;
      await one.stop();
      await world.rpc("anvil_reorg", 1, []);
      await world.rpc("anvil_dropAllTransactions");
      await begin({ confirmations: 1 });
      await until(async () => (await totalDeposit()) === 5n, "it is mined again");
    });

    it("reports a nonce that someone else used, and never signs that intent under another", async () => {
      await automine(false);
      let now = Date.now() / 1000;
      const publisher = await begin({ now: () => now });
      const { outcome, stages } = submit(publisher, depositIntent("d1"));
      await until(() => stages().includes("sent"), "it is sent");
      await world.rpc("anvil_dropAllTransactions");
      await automine(true);
      await (await wallet.sendTransaction({ to: wallet.address, nonce: 0, gasLimit: 21_000n })).wait();
      await until(() => world.proxy.count("eth_getTransactionReceipt") > 5, "several looks");
      expect(publisher.pending()).toEqual(["d1"]);
      now += 61;
      expect(await outcome).toEqual({ ok: false, code: "nonce_taken", nonce: 0 } satisfies Outcome);
      expect(await submit(publisher, depositIntent("d2")).outcome).toMatchObject({ ok: true });
      expect(await totalDeposit()).toBe(5n);
      everSent.push(...world.proxy.raws());
    });

    it("cancels: drops what is not signed, spends the nonce of what is", async () => {
      await automine(false);
      const publisher = await begin();
      const { outcome, stages } = submit(publisher, depositIntent("d1"));
      await until(() => stages().includes("sent"), "it is sent");
      publisher.cancel("d1");
      await until(() => world.proxy.raws().length > 1, "its cancellation is sent");
      await automine(true);
      await mine();
      expect(await outcome).toMatchObject({ ok: false, code: "tx_cancelled" });
      expect(await totalDeposit()).toBe(0n);
      world.proxy.rules = [() => ({ kind: "cut" })];
      const dropped = submit(publisher, depositIntent("d2"));
      publisher.cancel("d2");
      world.proxy.rules = [];
      expect(await dropped.outcome).toEqual({ ok: false, code: "tx_cancelled", hash: undefined });
    });
  });

  it("asks the chain nothing while nothing is under way", async () => {
    const publisher = await begin();
    await submit(publisher, depositIntent("d1")).outcome;
    await new Promise((resolve) => setTimeout(resolve, 50));
    world.proxy.requests = [];
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(world.proxy.requests).toEqual([]);
  });
});

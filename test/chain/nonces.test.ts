import { HDNodeWallet, Transaction } from "ethers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Account } from "../../src/chain/account.ts";
import { NO_SIGNATURE } from "../../src/chain/escrow.ts";
import { Eth } from "../../src/chain/eth.ts";
import { FailoverRpc } from "../../src/chain/failover.ts";
import type { Intent } from "../../src/chain/intent.ts";
import type { Publisher, PublisherInit, PublisherStatus } from "../../src/chain/publisher.ts";
import type { Address } from "../../src/protocol/address.ts";
import { fromHex } from "../../src/protocol/bytes.ts";
import { NO_PROOF } from "../../src/protocol/proof.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { FaultProxy, first, on, type Rule } from "./support/faultProxy.ts";
import {
  accountOf,
  contentsByNonce,
  openWorld,
  perform,
  publisherFor,
  signal,
  TestStore,
  until,
  type World,
} from "./support/world.ts";

const ETHER = 10n ** 18n;
const PAYEE = `0x${"99".repeat(20)}` as Address;

/** What a server that lies adds to the account's count of transactions. */
const inflated = (by: number): Rule =>
  on("eth_getTransactionCount", () => ({
    kind: "edit",
    edit: (count: string) => `0x${(Number(count) + by).toString(16)}`,
  }));

describe("the publisher's nonces", () => {
  let world: World;
  let second: FaultProxy;
  let store: TestStore;
  let wallet: HDNodeWallet;
  let account: Account;
  const running: Publisher[] = [];
  const servers: FailoverRpc[] = [];

  beforeAll(async () => {
    world = await openWorld(startAnvil);
    second = await new FaultProxy(world.chain.url).start();
  }, 30_000);

  afterAll(async () => {
    await second.stop();
    await world.stop();
  });

  beforeEach(async () => {
    for (const proxy of [world.proxy, second]) proxy.reset();
    store = new TestStore();
    wallet = HDNodeWallet.createRandom().connect(world.chain.provider);
    account = accountOf(wallet, world.crypto);
    await world.rpc("anvil_setBalance", wallet.address, `0x${ETHER.toString(16)}`);
    await world.rpc("evm_mine");
  });

  afterEach(async () => {
    for (const publisher of running.splice(0)) await publisher.stop();
    for (const rpc of servers.splice(0)) rpc.close();
    await world.rpc("evm_setAutomine", true);
    await world.rpc("anvil_dropAllTransactions");
    for (const [, contents] of contentsByNonce(raws())) {
      const own = [...contents].filter((content) => content.toLowerCase() !== `${account.address} 0x 0`);
      expect(own.length).toBeLessThanOrEqual(1);
    }
  });

  const raws = () => [...world.proxy.raws(), ...second.raws()];
  const begin = async (init: Partial<PublisherInit> = {}) => {
    const publisher = publisherFor(world, store, account, init);
    running.push(publisher);
    await publisher.start();
    return publisher;
  };
  const overBoth = () => {
    const rpc = new FailoverRpc({
      urls: [world.proxy.url, second.url],
      chainId: 31337n,
      timeoutMs: 5_000,
      retries: 0,
      asideMinMs: 50,
      probeMs: 50,
    });
    servers.push(rpc);
    return rpc;
  };
  const pay = (id: string, value = 1n): Intent => ({ id, to: PAYEE, data: "0x", value });
  const submit = (publisher: Publisher, intent: Intent) => {
    const outcome = publisher.submit(intent, { signal });
    outcome.catch(() => {});
    return outcome;
  };
  const nonces = () => [...new Set(raws().map((raw) => Transaction.from(raw).nonce))];
  const chainNonce = () => world.chain.provider.getTransactionCount(wallet.address);
  /** Another wallet of the same key, which knows nothing of the publisher. */
  const payElsewhere = async (times: number) => {
    for (let i = 0; i < times; i++) await (await wallet.sendTransaction({ to: PAYEE, value: 1n })).wait();
  };
  const received = async (act: () => Promise<void>) => {
    const before = await world.chain.provider.getBalance(PAYEE);
    await act();
    return (await world.chain.provider.getBalance(PAYEE)) - before;
  };

  describe("when a count is inflated once", () => {
    it("stay our own at first use", async () => {
      world.proxy.rules = [first(1, inflated(20))];
      const publisher = await begin();
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0]);
    });

    it("stay our own in the middle, with others under way", async () => {
      const publisher = await begin();
      await submit(publisher, pay("p1"));
      await world.rpc("evm_setAutomine", false);
      const open = [submit(publisher, pay("p2")), submit(publisher, pay("p3"))];
      await until(() => nonces().length === 3, "two are under way");
      const asked = world.proxy.count("eth_getTransactionCount");
      world.proxy.rules = [first(1, inflated(20))];
      const last = submit(publisher, pay("p4"));
      await until(() => world.proxy.count("eth_getTransactionCount") > asked + 2, "the lie was told");
      await world.rpc("evm_setAutomine", true);
      await world.rpc("evm_mine");
      for (const outcome of [...open, last]) expect(await outcome).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 1, 2, 3]);
    });

    it("stay our own after a restart that follows the lie", async () => {
      const one = await begin();
      await submit(one, pay("p1"));
      world.proxy.rules = [first(1, inflated(20)), on("eth_getTransactionCount", () => ({ kind: "cut" }))];
      const asked = world.proxy.count("eth_getTransactionCount");
      submit(one, pay("p2"));
      await until(
        () => world.proxy.count("eth_getTransactionCount") > asked + 1,
        "what the lie led to is done",
      );
      await one.stop();
      world.proxy.rules = [];
      const two = await begin();
      expect(await submit(two, pay("p2"))).toMatchObject({ ok: true });
      expect(await submit(two, pay("p3"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 1, 2]);
    });

    it("let a challenge reach the chain before its deadline", async () => {
      const side = world.fixture.sides[1];
      account = accountOf(side.account, world.crypto);
      const { channel, id } = world.channel();
      await world.deposit(channel, 0, 100n);
      const publisher = await begin();
      expect(await submit(publisher, pay("before"))).toMatchObject({ ok: true });
      const proof = { ...NO_PROOF, nonce: 3n, transferred: 40n, history: new Uint8Array(32).fill(1) };
      const message = { channelId: id, ...proof };
      const signature = fromHex(
        await world.fixture.sign(world.fixture.sides[0].signer, "BalanceProof", message),
      );
      // The payer closes as if nothing had been paid.
      const nothing = { proof: NO_PROOF, signature: NO_SIGNATURE, endorsement: NO_SIGNATURE, locks: [] };
      const close = { deadline: 2n ** 40n, closeSignature: NO_SIGNATURE };
      const payer = channel.participant0;
      await perform(world.fixture.sides[0].account, world.escrow.startClose(channel, payer, close, nothing));
      const { deadline } = await world.escrow.channelState(id, "latest", { signal });
      world.proxy.rules = [first(1, inflated(20))];
      const evidence = { proof, signature, endorsement: NO_SIGNATURE, locks: [] };
      const challenge = { id: "challenge", ...world.escrow.challenge(channel, payer, evidence) };
      expect(await submit(publisher, { ...challenge, deadline: Number(deadline) - 1 })).toMatchObject({
        ok: true,
      });
      expect(await world.chain.time()).toBeLessThan(Number(deadline));
      expect(await world.escrow.recordedProof(id, payer, "latest", { signal })).toMatchObject({
        nonce: 3n,
        transferred: 40n,
      });
    });
  });

  describe("when one of two servers inflates every count", () => {
    it.each([0, 1])("stay our own, whichever it is (%d)", async (liar) => {
      [world.proxy, second][liar]!.rules = [inflated(20)];
      const statuses: PublisherStatus[] = [];
      const rpc = overBoth();
      const publisher = await begin({
        eth: new Eth(rpc),
        onStatus: (status) => void statuses.push(status),
      });
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      expect(await submit(publisher, pay("p2"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 1]);
      if (liar === 1) expect(statuses).toEqual([]);
      else {
        expect(statuses[0]).toMatchObject({ kind: "outage", failure: { code: "rpc_inconsistent" } });
        expect(rpc.status()[0]!.healthy).toBe(false);
      }
    });

    it("does not call a nonce taken that is none's, and pays once", async () => {
      await world.rpc("evm_setAutomine", false);
      let now = Date.now() / 1000;
      const publisher = await begin({ eth: new Eth(overBoth()), now: () => now });
      const paid = await received(async () => {
        const outcome = submit(publisher, pay("p1", 7n));
        await until(() => nonces().length === 1, "it is sent");
        world.proxy.rules = [inflated(20)];
        const asked = () => world.proxy.count("eth_getTransactionReceipt");
        await until(() => asked() > 5, "several looks for a receipt");
        now += 61;
        const before = asked();
        await until(() => asked() > before + 3, "some more");
        expect(publisher.pending()).toEqual(["p1"]);
        world.proxy.rules = [];
        await world.rpc("evm_setAutomine", true);
        await world.rpc("evm_mine");
        expect(await outcome).toMatchObject({ ok: true });
      });
      expect(paid).toBe(7n);
    });
  });

  describe("when the key is used elsewhere, too", () => {
    it.each([1, 2])("follow the account's at first use, over %d servers", async (count) => {
      await payElsewhere(3);
      const publisher = await begin(count === 2 ? { eth: new Eth(overBoth()) } : {});
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([3]);
    });

    it("follow the account's between two intents", async () => {
      const publisher = await begin();
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      await payElsewhere(2);
      expect(await submit(publisher, pay("p2"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 3]);
      expect(await chainNonce()).toBe(4);
    });

    it("follow the account's on a journal that is older than it", async () => {
      const one = await begin();
      expect(await submit(one, pay("p1"))).toMatchObject({ ok: true });
      const old = new Map(store.values);
      expect(await submit(one, pay("p2"))).toMatchObject({ ok: true });
      await one.stop();
      store = new TestStore();
      for (const [key, value] of old) store.values.set(key, value);
      const two = await begin();
      expect(await submit(two, pay("p3"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 1, 2]);
    });
  });
});

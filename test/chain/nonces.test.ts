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

/** What a server tells of a newest block that there is not: so many blocks and seconds beyond the real one. */
const ahead = (blocks: number, seconds: number): Rule =>
  on("eth_getBlockByNumber", ([at]) =>
    at === "latest"
      ? {
          kind: "edit",
          edit: (block: { number: string; timestamp: string }) => ({
            ...block,
            number: `0x${(Number(block.number) + blocks).toString(16)}`,
            timestamp: `0x${(Number(block.timestamp) + seconds).toString(16)}`,
          }),
        }
      : undefined,
  );

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
  const overBoth = () => over([world.proxy, second]);
  const over = (proxies: readonly FaultProxy[]) => {
    const rpc = new FailoverRpc({
      urls: proxies.map(({ url }) => url),
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

    it.each([
      ["one block", 1, 1],
      ["far", 10, 100],
    ])(
      "stay our own where it tells of blocks that the other has not, %s beyond",
      async (_, blocks, seconds) => {
        world.proxy.rules = [inflated(20), ahead(blocks, seconds)];
        const publisher = await begin({ eth: new Eth(overBoth()) });
        expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
        expect(nonces()).toEqual([0]);
      },
    );

    it.each([
      ["none", 0, 0],
      ["one", 1, 1],
      ["many", 10, 100],
    ])(
      "does not call a nonce taken that is none's, and pays once, with %s of its blocks made up",
      async (_, blocks, seconds) => {
        await world.rpc("evm_setAutomine", false);
        let now = Date.now() / 1000;
        const publisher = await begin({ eth: new Eth(overBoth()), now: () => now });
        const paid = await received(async () => {
          const outcome = submit(publisher, pay("p1", 7n));
          await until(() => nonces().length === 1, "it is sent");
          world.proxy.rules = [inflated(20), ...(blocks > 0 ? [ahead(blocks, seconds)] : [])];
          const asked = () => world.proxy.count("eth_getTransactionReceipt");
          await until(() => asked() > 5, "several looks for a receipt");
          now += 61;
          const before = asked();
          await until(() => asked() > before + 3, "some more");
          expect(publisher.pending()).toEqual(["p1"]);
          await world.rpc("evm_setAutomine", true);
          await world.rpc("evm_mine");
          expect(await outcome).toMatchObject({ ok: true });
        });
        expect(paid).toBe(7n);
      },
    );
  });

  it("are known to be used where the first of three servers counts nothing", async () => {
    const third = await new FaultProxy(world.chain.url).start();
    try {
      let now = Date.now() / 1000;
      const publisher = await begin({
        eth: new Eth(over([world.proxy, second, third])),
        now: () => now,
      });
      world.proxy.rules = [on("eth_getTransactionCount", () => ({ kind: "answer", result: "0x0" }))];
      const outcome = submit(publisher, pay("p1"));
      const asked = () => world.proxy.count("eth_getTransactionCount");
      await until(() => asked() > 3, "it is mined, and not counted");
      now += 61;
      publisher.poke();
      expect(await outcome).toMatchObject({ ok: true });
      await publisher.stop();
    } finally {
      await third.stop();
    }
  });

  it("are not called taken where one of two servers keeps the receipt to itself", async () => {
    let now = Date.now() / 1000;
    const publisher = await begin({ eth: new Eth(overBoth()), now: () => now });
    world.proxy.rules = [on("eth_getTransactionReceipt", () => ({ kind: "answer", result: null }))];
    const paid = await received(async () => {
      const outcome = submit(publisher, pay("p1", 7n));
      const asked = () => world.proxy.count("eth_getTransactionReceipt");
      await until(() => asked() > 3, "several looks for a receipt");
      now += 61;
      expect(await outcome).toMatchObject({ ok: true });
    });
    expect(paid).toBe(7n);
  });

  describe("when the only server inflates every count for a while", () => {
    let now: number;
    let publisher: Publisher;
    const failing = async () => {
      const asked = world.proxy.count("eth_getTransactionCount");
      await until(() => {
        publisher.poke();
        return world.proxy.count("eth_getTransactionCount") > asked + 4;
      }, "some turns");
    };
    const restart = async () => {
      publisher = await begin({ now: () => now });
    };

    beforeEach(async () => {
      now = Date.now() / 1000;
      await restart();
    });

    it.each(["keeps running", "is started again"])(
      "are filled up to what was signed beyond, by a publisher that %s",
      async (how) => {
        world.proxy.rules = [inflated(20)];
        const paid = await received(async () => {
          let outcome = submit(publisher, pay("p1", 7n));
          await until(() => nonces().length === 1, "it is signed");
          expect(nonces()).toEqual([20]);
          world.proxy.rules = [];
          if (how === "is started again") {
            await publisher.stop();
            await restart();
            outcome = submit(publisher, pay("p1", 7n));
          }
          await failing();
          expect(nonces()).toEqual([20]);
          now += 61;
          publisher.poke();
          expect(await outcome).toMatchObject({ ok: true });
        });
        expect(paid).toBe(7n);
        expect(nonces().sort((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, i) => i));
        expect(await submit(publisher, pay("p2"))).toMatchObject({ ok: true });
        expect(await chainNonce()).toBe(22);
      },
    );

    it.each([[[1_000]], [[1_000, 5_000]]])(
      "bear nothing of worth where nothing could be filled (%j)",
      async (lies) => {
        const paid = await received(async () => {
          const outcome = submit(publisher, pay("p1", 7n));
          for (const [index, lie] of lies.entries()) {
            world.proxy.rules = [inflated(lie)];
            await until(async () => {
              await failing();
              now += 61; // what it says now has taken what was signed by what it said before
              return nonces().length === index + 1;
            }, "a filler is signed");
          }
          expect(nonces()).toEqual(lies);
          for (const raw of raws()) {
            expect(Transaction.from(raw)).toMatchObject({ to: wallet.address, data: "0x", value: 0n });
          }
          world.proxy.rules = [];
          await failing();
          now += 61;
          publisher.poke();
          expect(await outcome).toMatchObject({ ok: true });
        });
        expect(paid).toBe(7n);
        expect(nonces()).toEqual([...lies, 0]);
        expect(publisher.pending()).toEqual([]);
        await publisher.stop();
        await restart();
        expect(await submit(publisher, pay("p2"))).toMatchObject({ ok: true });
        expect(await chainNonce()).toBe(2);
      },
    );
  });

  it("bear nothing of worth too far out where the only server inflates more with every minute", async () => {
    let now = Date.now() / 1000;
    const publisher = await begin({ now: () => now });
    const wait = () => {
      now += 10;
      publisher.poke();
    };
    world.proxy.rules = [inflated(40)];
    const taken = submit(publisher, pay("p1"));
    await until(() => nonces().length === 1, "the first is signed");
    world.proxy.rules = [inflated(80)];
    await until(() => {
      wait();
      return publisher.pending().length === 0;
    }, "the first is over");
    expect(await taken).toMatchObject({ ok: false, code: "nonce_taken" });
    const outcome = submit(publisher, pay("p2"));
    await until(() => nonces().length === 2, "something more is signed");
    expect(nonces()).toEqual([40, 80]);
    world.proxy.rules = [];
    await until(() => {
      wait();
      return !publisher.pending().includes("p2");
    }, "the second is over");
    expect(await outcome).toMatchObject({ ok: true });
    expect(await chainNonce()).toBe(42);
  });

  it.each([[[1_000]], [[60, 110]]])(
    "bear nothing of worth far out where the filler before it cannot be paid for (%j)",
    async (lies) => {
      let now = Date.now() / 1000;
      const publisher = await begin({ now: () => now });
      const some = async (done: () => boolean) => {
        const asked = world.proxy.count("eth_getTransactionCount");
        await until(() => {
          now += 30;
          publisher.poke();
          const idle = publisher.pending().length === 0;
          return done() && (idle || world.proxy.count("eth_getTransactionCount") > asked + 6);
        }, "some turns");
      };
      for (const lie of lies.slice(0, -1)) {
        world.proxy.rules = [inflated(lie)];
        const taken = submit(publisher, pay(`p${lie}`));
        await until(() => nonces().includes(lie), "it is signed");
        world.proxy.rules = [inflated(lie + 1)];
        await some(() => publisher.pending().length === 0);
        expect(await taken).toMatchObject({ code: "nonce_taken" });
      }
      const refused = on("eth_estimateGas", ([call]) =>
        (call as { to: string }).to === account.address
          ? { kind: "error", code: -32000, message: "insufficient funds for gas * price + value" }
          : undefined,
      );
      const poor = first(
        1,
        on("eth_getBalance", () => ({ kind: "answer", result: "0x0" })),
      );
      world.proxy.rules = [inflated(lies.at(-1)!), refused, poor];
      const before = world.proxy.count("eth_getBalance");
      const outcome = submit(publisher, pay("last"));
      await until(() => world.proxy.count("eth_getBalance") > before, "the filler is refused");
      await some(() => true);
      world.proxy.rules = [];
      await some(() => publisher.pending().length === 0);
      expect(await outcome).toMatchObject({ ok: true });
    },
  );

  it("let what was given up have its nonce when its turn comes, before anything of worth", async () => {
    let now = Date.now() / 1000;
    const publisher = await begin({ now: () => now });
    world.proxy.rules = [inflated(66)];
    const one = submit(publisher, pay("p0"));
    await until(() => nonces().length === 1, "a filler is signed");
    world.proxy.rules = [];
    await until(() => {
      now += 30;
      publisher.poke();
      return nonces().length === 2;
    }, "what waited is signed");
    expect(await one).toMatchObject({ ok: true });
    const paid = await received(async () => {
      const all = Array.from({ length: 70 }, (_, i) => submit(publisher, pay(`p${i + 1}`)));
      const ticking = setInterval(() => {
        now += 5;
      }, 50);
      try {
        for (const outcome of all) expect(await outcome).toMatchObject({ ok: true });
      } finally {
        clearInterval(ticking);
      }
    });
    expect(paid).toBe(70n);
    expect(await chainNonce()).toBe(72);
    expect(publisher.pending()).toEqual([]);
  });

  it("are not given up twice where a write failed after it took", async () => {
    let now = Date.now() / 1000;
    const statuses: PublisherStatus[] = [];
    const publisher = await begin({ now: () => now, onStatus: (status) => void statuses.push(status) });
    world.proxy.rules = [inflated(1_000)];
    const outcome = submit(publisher, pay("p1"));
    await until(() => nonces().length === 1, "a filler is signed");
    world.proxy.rules = [];
    await until(() => statuses.length > 0, "the gap is seen");
    const write = store.write.bind(store);
    let torn = 1;
    store.write = async (ops, options) => {
      await write(ops, options);
      if (torn-- > 0) throw new Error("timeout");
    };
    await until(() => {
      now += 30;
      publisher.poke();
      return nonces().length === 2;
    }, "what waited is signed");
    expect(torn).toBeLessThan(0);
    expect(await outcome).toMatchObject({ ok: true });
    expect(nonces()).toEqual([1_000, 0]);
  });

  describe("when the key is used elsewhere, too", () => {
    it.each([1, 2])("follow the account's at first use, over %d servers", async (count) => {
      await payElsewhere(3);
      const publisher = await begin(count === 2 ? { eth: new Eth(overBoth()) } : {});
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([3]);
    });

    it.each([1, 2])("follow the account's where one of three servers counts nothing (%d)", async (liar) => {
      await payElsewhere(3);
      const third = await new FaultProxy(world.chain.url).start();
      try {
        [world.proxy, second, third][liar]!.rules = [
          on("eth_getTransactionCount", () => ({ kind: "answer", result: "0x0" })),
        ];
        const publisher = await begin({ eth: new Eth(over([world.proxy, second, third])) });
        expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
        expect(nonces()).toEqual([3]);
        await publisher.stop();
      } finally {
        await third.stop();
      }
    });

    it("follow the account's between two intents", async () => {
      const publisher = await begin();
      expect(await submit(publisher, pay("p1"))).toMatchObject({ ok: true });
      await payElsewhere(2);
      expect(await submit(publisher, pay("p2"))).toMatchObject({ ok: true });
      expect(nonces()).toEqual([0, 3]);
      expect(await chainNonce()).toBe(4);
    });

    it("show first, for nothing of worth, that many were used by others", async () => {
      await payElsewhere(70);
      const publisher = await begin();
      const paid = await received(async () => {
        const both = [submit(publisher, pay("p1", 3n)), submit(publisher, pay("p2", 4n))];
        for (const outcome of both) expect(await outcome).toMatchObject({ ok: true });
      });
      expect(paid).toBe(7n);
      const sent = raws().map((raw) => Transaction.from(raw));
      expect(sent.map(({ nonce, value }) => [nonce, value])).toEqual([
        [70, 0n],
        [71, 3n],
        [72, 4n],
      ]);
    });

    it("are filled where a reorganisation took out what the others had sent", async () => {
      let now = Date.now() / 1000;
      const publisher = await begin({ confirmations: 3, now: () => now });
      await payElsewhere(1);
      const outcome = submit(publisher, pay("p1"));
      await until(async () => (await chainNonce()) === 2, "it is mined");
      await world.proxy.alone(async () => {
        await world.rpc("anvil_reorg", 2, []);
        await world.rpc("anvil_dropAllTransactions");
      });
      await until(async () => {
        await world.rpc("evm_mine");
        publisher.poke();
        now += 10;
        return (await chainNonce()) === 2;
      }, "both nonces are used again");
      await world.rpc("anvil_mine", "0x3");
      publisher.poke();
      expect(await outcome).toMatchObject({ ok: true });
      expect(nonces()).toEqual([1, 0]);
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

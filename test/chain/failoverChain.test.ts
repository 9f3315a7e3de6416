import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Eth } from "../../src/chain/eth.ts";
import { FailoverRpc } from "../../src/chain/failover.ts";
import type { WatcherInit } from "../../src/chain/watcher.ts";
import type { Address } from "../../src/protocol/address.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { FaultProxy, on, type Rule } from "./support/faultProxy.ts";
import {
  accountOf,
  contentsByNonce,
  openWorld,
  publisherFor,
  signal,
  TestStore,
  until,
  type Watched,
  type World,
  watch,
} from "./support/world.ts";

/** Watcher and publisher over two servers of one real chain. */
describe("over two servers", () => {
  let world: World;
  let second: FaultProxy;
  let rpc: FailoverRpc;
  const running: Watched[] = [];

  beforeAll(async () => {
    world = await openWorld(startAnvil);
    second = await new FaultProxy(world.chain.url).start();
  }, 30_000);

  afterAll(async () => {
    await second.stop();
    await world.stop();
  });

  beforeEach(() => {
    for (const proxy of [world.proxy, second]) proxy.reset();
    rpc = new FailoverRpc({
      urls: [world.proxy.url, second.url],
      chainId: 31337n,
      timeoutMs: 5_000,
      retries: 0,
      asideMinMs: 50,
      probeMs: 50,
    });
  });

  afterEach(async () => {
    for (const { watcher } of running.splice(0)) await watcher.stop();
    rpc.close();
  });

  async function follow(init: Partial<WatcherInit> = {}): Promise<Watched> {
    const fromBlock = (await world.chain.provider.getBlockNumber()) + 1;
    const watched = await watch({ ...world, eth: new Eth(rpc) }, new TestStore(), {
      confirmations: 1,
      fromBlock,
      ...init,
    });
    running.push(watched);
    return watched;
  }

  const mine = (blocks: number) => world.rpc("anvil_mine", `0x${blocks.toString(16)}`);
  /** The server's newest block claims to be another. */
  const claims = (changes: (block: { number: string; timestamp: string }) => object): Rule =>
    on("eth_getBlockByNumber", ([at]) =>
      at === "latest"
        ? { kind: "edit", edit: (block: never) => Object.assign(block, changes(block)) }
        : undefined,
    );

  it("a head that cannot be makes the watcher go to the other, which is believed", async () => {
    const watched = await follow({ maxFutureSeconds: 900 });
    await watched.watcher.ready(signal);
    world.proxy.rules = [
      claims(({ number }) => ({
        hash: `0x${"ab".repeat(32)}`,
        number: `0x${(Number(number) + 10 ** 6).toString(16)}`,
      })),
    ];
    await until(() => rpc.status()[0]!.lastFailure?.code === "rpc_lying_head", "the doubt");
    const { channel } = world.channel();
    await world.deposit(channel, 0, 5n);
    await until(() => watched.story().includes("deposited confirmed"), "the deposit");
    expect(rpc.status()).toMatchObject([{ healthy: false }, { healthy: true }]);
    expect(watched.notices.some(({ stage }) => stage === "removed")).toBe(false);
  });

  it("a server that takes over in the middle of a look and is behind hides no event", async () => {
    const watched = await follow();
    await watched.watcher.ready(signal);
    await mine(1);
    const old = (await world.rpc("eth_getBlockByNumber", "latest", false)) as { number: string };
    await until(() => watched.watcher.newestBlock()?.number === Number(old.number), "the last common block");
    let behind = true;
    second.rules = [
      on("eth_getBlockByNumber", ([at]) =>
        behind && at === "latest" ? { kind: "answer", result: old } : undefined,
      ),
      // As real servers do: what lies beyond their head is left out without a word.
      on("eth_getLogs", () => (behind ? { kind: "answer", result: [] } : undefined)),
    ];
    // The first tells heads and nothing else.
    world.proxy.rules = [on("eth_getLogs", () => ({ kind: "cut" }))];
    const { channel } = world.channel();
    await world.deposit(channel, 0, 5n);
    await mine(40);
    await until(
      () => watched.statuses.some(({ kind }) => kind === "outage"),
      "a word that nothing can be read",
    );
    expect(watched.story()).toEqual([]);
    behind = false;
    await until(() => watched.story().includes("deposited confirmed"), "the deposit");
    expect(watched.story()).toEqual([
      "opened seen",
      "opened confirmed",
      "deposited seen",
      "deposited confirmed",
    ]);
  });

  it("blocks of the future on all keep a watcher from being ready; on one they do not", async () => {
    const future = claims(({ timestamp }) => ({
      timestamp: `0x${(Number(timestamp) + 3_600).toString(16)}`,
    }));
    world.proxy.rules = [future];
    const one = await follow({ maxFutureSeconds: 900 });
    await one.watcher.ready(signal);
    second.rules = [future];
    const both = await follow({ maxFutureSeconds: 900 });
    await expect(both.watcher.ready(signal)).rejects.toMatchObject({
      failure: { code: "rpc_lying_head", reason: "future" },
    });
  });

  it("every transaction is one, whichever server fails in the middle of it", async () => {
    const wallet = world.fixture.sides[0].account;
    const publisher = publisherFor(
      { ...world, eth: new Eth(rpc) },
      new TestStore(),
      accountOf(wallet, world.crypto),
    );
    await publisher.start();
    let calls = 0;
    const flaky: Rule = () => (++calls % 7 === 0 ? { kind: "lose" } : undefined);
    world.proxy.rules = [flaky];
    second.rules = [(request) => (request.id % 11 === 0 ? { kind: "cut" } : undefined)];
    const to = `0x${"77".repeat(20)}` as Address;
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        publisher.submit({ id: `pay${index}`, to, data: "0x", value: BigInt(index + 1) }, { signal }),
      ),
    );
    await publisher.stop();
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(await world.chain.provider.getBalance(to)).toBe(78n);
    const contents = contentsByNonce([...world.proxy.raws(), ...second.raws()]);
    expect(contents.size).toBe(12);
    for (const kinds of contents.values()) expect(kinds.size).toBe(1);
  });
});

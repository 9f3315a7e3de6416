import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChannelId, channelIdToBytes } from "../../src/protocol/index.ts";
import { channelKey } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { FaultProxy, on } from "../chain/support/faultProxy.ts";
import { freePort } from "../support/freePort.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  // Bob is restarted where he was: nobody else may take that port meanwhile.
  const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`];
  [alice, bob] = [await world.node(), await world.node({ listen })];
}, 60_000);

afterAll(() => world?.stop());

const DEPOSIT = 10n ** 15n;

/** Takes a channel's record out of a database that nobody has open. */
async function forget({ options }: TestNode, channelId: ChannelId): Promise<void> {
  const store = await openLevelStore(join(options.directory, "level"));
  await store.write([{ type: "del", key: channelKey(channelIdToBytes(channelId)) }], { sync: true });
  await store.close();
}

describe("a node whose database lost a channel's record", () => {
  it("finds the channel on chain, lets what it may have signed lapse, and gets its own history back", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const id = new Uint8Array(16).fill(7);
    await alice.node.pay({ channelId, amount: 40n, id });
    await alice.node.pay({ channelId, amount: 2n });
    await bob.node.pay({ channelId, amount: 5n });
    await alice.node.stop();

    await forget(alice, channelId);
    await alice.restart();
    await expect.poll(() => alice.warnings).toContain("database_lost_data");
    expect(alice.node.addresses).toEqual([]);
    // What bounded its payments may be gone with the rest: a human looks, and is asked once.
    expect(alice.node.spending.frozen?.reason).toContain("lost data");
    await alice.node.spending.unfreeze();
    await alice.node.stop();
    alice.warnings.length = 0;
    await alice.restart();
    await expect.poll(() => alice.warnings).toContain("database_lost_data");
    expect(alice.node.spending.frozen).toBeUndefined();
    const known = await alice.node.channel(channelId);
    expect([known.sent, known.received]).toEqual([0n, 0n]);

    await world.pass(3_700);
    await expect.poll(() => alice.node.addresses.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await alice.node.connect(bob.node.addresses[0]!);
    await alice.node.ready(channelId);
    await expect.poll(async () => (await alice.node.channel(channelId)).received).toBe(5n);
    expect((await alice.node.channel(channelId)).sent).toBe(42n);

    // The id index came back with the history: the same payment is not made twice.
    const again = await alice.node.pay({ channelId, amount: 40n, id });
    expect([again.nonce, again.index]).toEqual([1n, 0]);
    const closed = await alice.node.close(channelId);
    expect(closed.paidOut).toEqual([DEPOSIT - 42n + 5n, DEPOSIT + 42n - 5n]);

    await alice.node.stop();
    alice.warnings.length = 0;
    await alice.restart();
    expect(alice.warnings).not.toContain("database_lost_data");
  }, 60_000);
});

describe("a node that searches the chain for its channels", () => {
  it("goes on when the chain can be read again, and does not stop meanwhile", async () => {
    const proxy = await new FaultProxy(world.chain.url).start();
    const carol = await world.node({ rpcUrl: proxy.url });
    const { channelId } = await openFunded(carol, bob, DEPOSIT);
    // Far enough that only a search begins at the first block.
    for (let i = 0; i < 20; i++) await world.pass(1);
    const head = await world.chain.provider.getBlockNumber();
    await expect.poll(() => carol.node.chainStatus().block).toBe(head);
    await carol.node.stop();
    await forget(carol, channelId);
    const isSearch = ([filter]: readonly unknown[]) =>
      Number((filter as { fromBlock: string }).fromBlock) === 0;
    const searches = () =>
      proxy.requests.filter(({ method, params }) => method === "eth_getLogs" && isSearch(params)).length;
    proxy.reset();
    proxy.rules = [on("eth_getLogs", (params) => (isSearch(params) ? { kind: "cut" } : undefined))];
    await carol.restart();
    // More often than one call is tried.
    await expect.poll(searches, { timeout: 20_000 }).toBeGreaterThan(5);
    await expect(carol.node.channel(channelId)).rejects.toMatchObject({ code: "channel_unknown" });
    proxy.reset();
    await expect
      .poll(() => carol.node.channel(channelId).catch(() => undefined), { timeout: 20_000 })
      .toMatchObject({ channelId });
    await carol.node.stop();
    await proxy.stop();
  }, 60_000);
});

describe("a node that is stopped and started again", () => {
  it("still makes the deposit it promised", async () => {
    await world.chain.provider.send("evm_setAutomine", [false]);
    const opening = alice.node.openChannel({
      peer: bob.node.addresses[0]!,
      deposit: DEPOSIT,
      requestDeposit: DEPOSIT,
      challengePeriod: 600,
      onProgress: (progress) => {
        if (progress.step === "accepted") accepted.resolve(progress.channelId);
      },
    });
    const accepted = Promise.withResolvers<ChannelId>();
    const channelId = await accepted.promise;
    const listen = bob.node.addresses.map((address) => address.replace(/\/p2p\/.*/, ""));
    await bob.node.stop();
    await bob.restart({}, { listen });
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.chain.provider.send("evm_mine", []);
    await opening;
    expect((await alice.node.channel(channelId)).deposits).toEqual([DEPOSIT, DEPOSIT]);
  }, 60_000);

  it("keeps its channels, its totals and the payments of its application's ids", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const id = new Uint8Array(16).fill(9);
    const first = await alice.node.pay({ channelId, amount: 11n, id });
    await alice.node.stop();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    const second = await alice.node.pay({ channelId, amount: 11n, id });
    expect(second).toEqual(first);
    await expect(alice.node.pay({ channelId, amount: 12n, id })).rejects.toMatchObject({
      code: "payment_conflict",
    });
    expect((await bob.node.channel(channelId)).received).toBe(11n);
    const amounts: bigint[] = [];
    for await (const batch of bob.node.received(channelId))
      for (const { amount } of batch) amounts.push(amount);
    expect(amounts).toEqual([11n]);
  }, 60_000);
});

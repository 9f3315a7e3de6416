import { Writable } from "node:stream";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNode } from "../../src/node/index.ts";
import type { ChannelId } from "../../src/protocol/index.ts";
import { FaultProxy, on } from "../chain/support/faultProxy.ts";
import { until } from "./support/until.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;

let world: World;
let first: FaultProxy;
let second: FaultProxy;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  first = await new FaultProxy(world.chain.url).start();
  second = await new FaultProxy(world.chain.url).start();
  bob = await world.node();
}, 60_000);

afterAll(async () => {
  await Promise.all([first?.stop(), second?.stop()]);
  await world?.stop();
});

const send = (method: string, ...params: unknown[]) => world.chain.provider.send(method, params);

/** A node over both servers, the first one preferred. */
async function overBoth(): Promise<TestNode> {
  for (const proxy of [first, second]) proxy.reset();
  return await world.node({ rpcUrl: [first.url, second.url] });
}

const otherChain = on("eth_chainId", () => ({ kind: "answer", result: "0x1" }));

/** Waits until the escrow and both nodes say the same of the channel: then the money is whole. */
async function expectWhole(
  node: TestNode,
  id: ChannelId,
  deposits: readonly [bigint, bigint],
): Promise<void> {
  const [total, mirrored] = [deposits[0] + deposits[1], [deposits[1], deposits[0]]];
  await until("one count on all sides", async () => {
    const state = await world.escrow.channelState(id);
    const [ours, theirs] = [await node.node.channel(id), await bob.node.channel(id)];
    return (
      state.deposit0 + state.deposit1 === total &&
      String(ours.deposits) === String(deposits) &&
      String(theirs.deposits) === String(mirrored) &&
      theirs.received === ours.sent
    );
  });
}

describe("a server of another chain", () => {
  it("keeps a node from starting, which then starts as if nothing had been", async () => {
    first.rules = [otherChain];
    second.rules = [otherChain];
    const node = await world.node();
    const { account } = node.node;
    await node.node.stop();
    const refused = node.restart(undefined, { rpcUrl: [first.url, second.url] });
    await expect(refused).rejects.toMatchObject({
      code: "wrong_chain",
      failure: { expected: 31337n, actual: 1n },
    });
    await expect(node.restart(undefined, { rpcUrl: first.url })).rejects.toMatchObject({
      code: "wrong_chain",
    });
    expect(first.requests.every(({ method }) => method === "eth_chainId")).toBe(true);
    expect((await node.restart()).account).toBe(account);
    await node.node.stop();
  });

  it("beside one of the right chain is told of and never used, even while that one is away", async () => {
    for (const proxy of [first, second]) proxy.reset();
    first.rules = [otherChain];
    const lines: string[] = [];
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        lines.push(String(chunk));
        done();
      },
    });
    const alice = await world.node({ rpcUrl: [first.url, second.url], log: pino({ level: "warn" }, stream) });
    expect(lines.join("")).toContain("is on chain 1, not 31337: it is not used");
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 5n });
    second.rules = [() => ({ kind: "cut" })];
    await until("the outage", () => alice.node.chainStatus().failure === "rpc_down");
    expect(alice.node.chainStatus().endpoints).toMatchObject([
      { healthy: false, lastFailure: { code: "wrong_chain" } },
      { healthy: false, lastFailure: { code: "rpc_down" } },
    ]);
    second.rules = [];
    await until("the end of the outage", () => alice.node.chainStatus().failure === undefined);
    expect(first.requests.every(({ method }) => method === "eth_chainId")).toBe(true);
    await expectWhole(alice, channelId, [DEPOSIT, DEPOSIT]);
    await alice.node.stop();
  });
});

describe("one of two servers", () => {
  it("that dies while a deposit is on its way leaves one deposit, and payments that go on", async () => {
    const alice = await overBoth();
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    // The chain has the transaction; its server says nothing any more.
    let dead = false;
    first.rules = [
      ({ method }) => {
        if (dead) return { kind: "cut" };
        if (method !== "eth_sendRawTransaction") return undefined;
        dead = true;
        return { kind: "lose" };
      },
    ];
    const depositing = alice.node.deposit(channelId, 500n);
    const paying = Array.from({ length: 20 }, () => alice.node.pay({ channelId, amount: 1n }));
    await depositing;
    await Promise.all(paying);
    expect(dead).toBe(true);
    await until("the warning", () => alice.warnings.includes("rpc_down"));
    expect(alice.node.chainStatus()).toMatchObject({
      fresh: true,
      endpoints: [{ healthy: false }, { healthy: true }],
    });
    await expectWhole(alice, channelId, [DEPOSIT + 500n, DEPOSIT]);
    expect((await alice.node.channel(channelId)).sent).toBe(20n);
    first.rules = [];
    await until("its return", () => alice.node.chainStatus().endpoints[0]!.healthy);
    await alice.node.close(channelId);
    await alice.node.stop();
  });

  it("that dies in the middle of an opening hands it to the other", async () => {
    const alice = await overBoth();
    let calls = 0;
    first.rules = [() => (++calls > 3 ? { kind: "status", status: 503 } : undefined)];
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 7n });
    await expectWhole(alice, channelId, [DEPOSIT, DEPOSIT]);
    await alice.node.stop();
  });

  it("that stands still at an old block is left behind, and nothing is missed", async () => {
    const alice = await overBoth();
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const frozen = await send("eth_getBlockByNumber", "latest", false);
    first.rules = [
      on("eth_getBlockByNumber", ([at]) =>
        at === "latest" ? { kind: "answer", result: frozen } : undefined,
      ),
      on("eth_getLogs", () => ({ kind: "answer", result: [] })),
    ];
    for (let i = 0; i < 6; i++) await world.pass(30);
    await bob.node.deposit(channelId, 77n);
    await until(
      "Bob's deposit",
      async () => (await alice.node.channel(channelId)).deposits[1] === DEPOSIT + 77n,
    );
    await until("the judgement", () => !alice.node.chainStatus().endpoints[0]!.healthy);
    await alice.node.deposit(channelId, 33n);
    await expectWhole(alice, channelId, [DEPOSIT + 33n, DEPOSIT + 77n]);
    await alice.node.stop();
  });
});

describe("a WebSocket server", () => {
  it("carries a channel's whole life", async () => {
    const alice = await world.node({ rpcUrl: world.chain.url.replace("http", "ws") });
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 9n });
    expect((await alice.node.close(channelId)).paidOut).toEqual([DEPOSIT - 9n, DEPOSIT + 9n]);
    await alice.node.stop();
  });
});

describe("time", () => {
  /** Seconds that Alice's clock is ahead of the right time. */
  let wrong = 0;
  let alice: TestNode;
  let channelId: ChannelId;
  let clockWorld: World;
  let server: FaultProxy;
  let other: TestNode;
  let over = false;

  beforeAll(async () => {
    clockWorld = await openWorld();
    server = await new FaultProxy(clockWorld.chain.url).start();
    const now = () => Date.now() / 1000 + wrong;
    alice = await clockWorld.node({ rpcUrl: server.url, staleAfter: 600 }, { now });
    other = await clockWorld.node();
    ({ channelId } = await openFunded(alice, other, DEPOSIT));
    void (async () => {
      while (!over) {
        await clockWorld.chain.provider.send("evm_mine", []).catch(() => {});
        // A block takes a second of the chain's time at least: faster ones would carry it away from ours.
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    })();
  }, 60_000);

  afterAll(async () => {
    over = true;
    await server?.stop();
    await clockWorld?.stop();
  });

  const pay = () => alice.node.pay({ channelId, amount: 1n });
  const sent = async () => (await alice.node.channel(channelId)).sent;
  const forget = () => alice.warnings.splice(0);

  it("an hour behind stops payments at once with a word that names the skew, and lets them go on when set right", async () => {
    await pay();
    const before = await sent();
    wrong = -3_600;
    await expect(pay()).rejects.toMatchObject({ code: "clock_skew" });
    await until("the warning", () => alice.warnings.includes("clock_skew"));
    await until("refused heads", () => alice.node.chainStatus().failure === "rpc_lying_head");
    const status = alice.node.chainStatus();
    expect(status.fresh).toBe(false);
    expect(status.clockSkew).toBeLessThan(-3_500);
    const error = await pay().catch((reason: Error) => reason);
    expect(String(error)).toMatch(/clock.*nothing was sent \(skew -3[56]\d\d/);
    expect(await sent()).toBe(before);
    wrong = 0;
    await until("the end of it", () => alice.warnings.includes("clock_ok"));
    await pay();
    expect(await sent()).toBe(before + 1n);
  });

  it("an hour ahead stops payments, and is named once new blocks have shown that the chain is alive", async () => {
    forget();
    const before = await sent();
    wrong = 3_600;
    await expect(pay()).rejects.toMatchObject({ code: expect.stringMatching(/^(chain_stale|clock_skew)$/) });
    await until("the warning", () => alice.warnings.includes("clock_skew"));
    await expect(pay()).rejects.toMatchObject({ code: "clock_skew", fields: { limit: 300n } });
    expect(alice.node.chainStatus().clockSkew).toBeGreaterThan(3_500);
    expect(await sent()).toBe(before);
    wrong = 0;
    await until("the end of it", () => alice.warnings.includes("clock_ok"));
    await pay();
  });

  it("an hour behind at the start refuses to start, in words", async () => {
    const late = clockWorld.node({ staleAfter: 600 }, { now: () => Date.now() / 1000 - 3_600 });
    await expect(late).rejects.toMatchObject({ code: "clock_skew", fields: { limit: 300n } });
    await expect(late).rejects.toThrow(/this machine's clock/);
  });

  it("of an hour in which the server only fails costs payments, and no money", async () => {
    forget();
    const before = await sent();
    server.rules = [({ id }) => (id % 2 === 0 ? { kind: "status", status: 503 } : { kind: "cut" })];
    await until("the outage", () => alice.warnings.includes("rpc_down"));
    await pay(); // the newest block is young enough for a while
    over = true;
    wrong = 3_600;
    const refused = await pay().catch((reason: Error) => reason);
    expect(refused).toMatchObject({ code: "chain_stale", fields: { limit: 600n } });
    expect(String(refused)).toMatch(/nothing was sent/);
    expect(alice.warnings).not.toContain("clock_skew");
    const depositing = alice.node.deposit(channelId, 5n);
    server.rules = [];
    await clockWorld.chain.mineAt(Math.floor(Date.now() / 1000) + 3_600);
    await until("fresh blocks", () => alice.node.chainStatus().fresh);
    await depositing.catch(() => alice.node.deposit(channelId, 5n));
    await pay();
    expect(await sent()).toBe(before + 2n);
    const state = await clockWorld.escrow.channelState(channelId);
    expect(state.deposit0 + state.deposit1).toBe(2n * DEPOSIT + 5n);
  });
});

it("a refused start names the option and no key", async () => {
  const options = { ...bob.options, directory: `${bob.options.directory}-none` };
  const refused = createNode({ ...options, rpcUrl: ["ftp://key@x.test/secret-key"] });
  await expect(refused).rejects.toMatchObject({ code: "option_invalid" });
  await expect(refused).rejects.not.toThrow(/secret-key|key@/);
});

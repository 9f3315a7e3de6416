import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChainError } from "../../src/chain/error.ts";
import { Eth } from "../../src/chain/eth.ts";
import { FailoverRpc, type FailoverRpcInit } from "../../src/chain/failover.ts";
import { MAX_CALLS_IN_FLIGHT } from "../../src/chain/places.ts";
import { startHardhat } from "../contracts/support/testChain.ts";
import { FaultProxy } from "./support/faultProxy.ts";
import { result, SocketServer } from "./support/socketServer.ts";
import { openWorld, signal, TestStore, until, type World, watch } from "./support/world.ts";

const open: FailoverRpc[] = [];

function connect(urls: string[], init: Partial<FailoverRpcInit> = {}): FailoverRpc {
  const rpc = new FailoverRpc({
    urls,
    chainId: 31337n,
    retries: 0,
    timeoutMs: 5_000,
    asideMinMs: 50,
    ...init,
  });
  open.push(rpc);
  return rpc;
}

afterEach(() => {
  for (const rpc of open.splice(0)) rpc.close();
});

describe("a Hardhat node over WebSocket", () => {
  let world: World;
  let url: string;

  beforeAll(async () => {
    world = await openWorld(startHardhat);
    url = world.chain.url.replace("http", "ws");
  });

  afterAll(() => world.stop());

  it("answers everything the node asks", async () => {
    const eth = new Eth(connect([url]));
    await eth.checkChain(31337n, world.escrow.address, { signal });
    const head = await eth.newestHeader({ signal });
    expect(head.number).toBe(await world.chain.provider.getBlockNumber());
    const { channel } = world.channel();
    await world.deposit(channel, 0, 5n);
    const logs = await eth.logs(world.escrow.address, head.number, head.number + 1, { signal });
    expect(logs.length).toBeGreaterThan(0);
    const call = world.escrow.settle(channel);
    const estimate = eth.estimateGas(world.escrow.address, call, { signal });
    await expect(estimate).rejects.toMatchObject({
      failure: { code: "rpc_error", data: expect.any(String) },
    });
  });

  it("tells the watcher of a new block at once: the next poll would be an hour later", async () => {
    const rpc = connect([url], { onHead: () => watched.watcher.poke(), headPaceMs: 0 });
    const hour = 3_600_000;
    const through = { ...world, eth: new Eth(rpc) };
    const watched = await watch(through, new TestStore(), {
      confirmations: 1,
      minPollMs: hour,
      maxPollMs: hour,
    });
    try {
      await watched.watcher.ready(signal);
      const before = watched.watcher.newestBlock()!.number;
      await until(async () => {
        await world.rpc("evm_mine");
        return watched.watcher.newestBlock()!.number > before;
      }, "the new block");
      const { channel } = world.channel();
      await world.deposit(channel, 0, 5n);
      await until(() => watched.story().includes("deposited confirmed"), "the deposit");
    } finally {
      await watched.watcher.stop();
    }
  });
});

describe("a WebSocket server", () => {
  let server: SocketServer;
  let chainId: string;

  beforeAll(async () => {
    server = await new SocketServer().start();
  });

  afterAll(() => server.stop());

  beforeEach(() => {
    chainId = "0x7a69";
    server.requests = [];
    server.answer = (request) => {
      if (request.method === "eth_chainId") return result(request, chainId);
      if (request.method === "eth_subscribe") return result(request, "0x1");
      return request.method === "eth_silence" ? undefined : result(request, request.params);
    };
  });

  const failureOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: ChainError) => error.failure,
    );
  const ask = (rpc: FailoverRpc, method = "eth_echo", params: unknown[] = [1]) =>
    rpc.call(method, params, { signal });

  it("gives each caller its own answer, in whatever order they come", async () => {
    const waiting: string[] = [];
    const answer = server.answer;
    server.answer = (request) => {
      if (request.method !== "eth_echo") return answer(request);
      waiting.unshift(result(request, request.params));
      if (waiting.length === 3) for (const text of waiting.splice(0)) server.push(text);
      return undefined;
    };
    const rpc = connect([server.url]);
    expect(await Promise.all([1, 2, 3].map((n) => ask(rpc, "eth_echo", [n])))).toEqual([[1], [2], [3]]);
  });

  it("that goes away fails what is under way as rpc_down, and is connected to again", async () => {
    const rpc = connect([server.url]);
    await ask(rpc);
    const calls = [ask(rpc, "eth_silence"), ask(rpc, "eth_silence")].map(failureOf);
    await until(() => server.count("eth_silence") === 2, "both calls");
    server.cut();
    for (const failure of await Promise.all(calls)) {
      expect(failure).toMatchObject({
        code: "rpc_down",
        method: "eth_silence",
        reason: "the connection broke",
      });
    }
    const before = server.connections;
    expect(await ask(rpc)).toEqual([1]);
    expect(server.connections).toBe(before + 1);
  });

  it("is asked for its chain on every connection, before anything else", async () => {
    const rpc = connect([server.url], { onHead: () => {} });
    await ask(rpc);
    server.requests = [];
    chainId = "0x1";
    const failing = failureOf(ask(rpc, "eth_silence"));
    await until(() => server.count("eth_silence") === 1, "the call");
    server.cut();
    await failing;
    server.requests = [];
    expect(await failureOf(ask(rpc))).toMatchObject({ code: "wrong_chain", actual: 1n });
    expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(["eth_chainId"]));
    await until(() => server.open === 0, "the end of that connection");
  });

  it("that announces blocks is taken up again by itself when it was away, and its flood is paced", async () => {
    let heads = 0;
    const rpc = connect([server.url], { onHead: () => heads++, headPaceMs: 100 });
    await ask(rpc);
    await until(() => server.count("eth_subscribe") === 1, "the subscription");
    const before = server.connections;
    server.cut();
    await until(() => server.connections > before, "another connection");
    await until(() => server.count("eth_subscribe") === 2, "another subscription");
    const start = performance.now();
    const notice = {
      jsonrpc: "2.0",
      method: "eth_subscription",
      params: { subscription: "0x1", result: {} },
    };
    for (let i = 0; i < 1_000; i++) server.push(JSON.stringify(notice));
    await until(() => heads >= 1, "a word of it");
    await ask(rpc);
    expect(heads).toBeLessThanOrEqual(2 + (performance.now() - start) / 100);
  });

  it("that has no subscriptions answers calls all the same", async () => {
    const answer = server.answer;
    server.answer = (request) =>
      request.method === "eth_subscribe"
        ? JSON.stringify({ id: request.id, error: { code: -32601, message: "no such method" } })
        : answer(request);
    const rpc = connect([server.url], { onHead: () => {} });
    expect(await ask(rpc)).toEqual([1]);
    expect(rpc.status()[0]!.healthy).toBe(true);
  });

  it.each([
    ["says what is not JSON", "<html>", { code: "rpc_down", reason: "a message that is not JSON" }],
    ["breaks the connection", "cut", { code: "rpc_down" }],
    ["sends more than anybody asked for", `"${"x".repeat(33 * 1024 * 1024)}"`, { code: "rpc_too_large" }],
  ])("that %s fails the call, and gets another connection", async (_what, text, expected) => {
    const rpc = connect([server.url]);
    await ask(rpc);
    const answer = server.answer;
    server.answer = () => text;
    expect(await failureOf(ask(rpc))).toMatchObject(expected);
    server.answer = answer;
    const before = server.connections;
    expect(await ask(rpc)).toEqual([1]);
    expect(server.connections).toBe(before + 1);
  });

  it("that says nothing is left after the time allowed", async () => {
    const rpc = connect([server.url], { timeoutMs: 200 });
    await ask(rpc);
    expect(await failureOf(ask(rpc, "eth_silence"))).toMatchObject({
      code: "rpc_down",
      reason: "no answer in time",
    });
    await until(() => server.open === 0, "the end of that connection");
    expect(await ask(rpc)).toEqual([1]);
  });

  it("is not waited for once the caller gave up, and keeps its connection", async () => {
    const rpc = connect([server.url]);
    await ask(rpc);
    const connections = server.connections;
    const controller = new AbortController();
    const call = rpc.call("eth_silence", [], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(call).rejects.toThrow("enough");
    expect(await ask(rpc)).toEqual([1]);
    expect(server.connections).toBe(connections);
  });

  it("gets no more than the bound of calls at once", async () => {
    let under = 0;
    let most = 0;
    const answer = server.answer;
    server.answer = (request) => {
      if (request.method !== "eth_echo") return answer(request);
      most = Math.max(most, ++under);
      setTimeout(() => {
        under--;
        server.push(result(request, 1));
      }, 5);
      return undefined;
    };
    const rpc = connect([server.url]);
    await Promise.all(Array.from({ length: 40 }, () => ask(rpc)));
    expect(most).toBe(MAX_CALLS_IN_FLIGHT);
  });

  it("and one over HTTP stand in for each other", async () => {
    const http = await new FaultProxy("http://127.0.0.1:9").start();
    http.rules = [
      ({ method }) => ({ kind: "answer", result: method === "eth_chainId" ? "0x7a69" : "by HTTP" }),
    ];
    const rpc = connect([server.url, http.url], { probeMs: 100_000 });
    expect(await ask(rpc)).toEqual([1]);
    const answer = server.answer;
    server.answer = () => "cut";
    expect(await ask(rpc)).toBe("by HTTP");
    server.answer = (request) =>
      request.method === "eth_getBlockByNumber"
        ? result(request, { number: "0x1", timestamp: "0x1" })
        : answer(request);
    await until(() => rpc.status()[0]!.healthy, "its return");
    expect(await ask(rpc)).toEqual([1]);
    await http.stop();
  });

  it("is let go of for good by closing", async () => {
    const rpc = connect([server.url], { onHead: () => {} });
    await ask(rpc);
    const call = failureOf(ask(rpc, "eth_silence"));
    await until(() => server.count("eth_silence") === 1, "the call");
    rpc.close();
    expect(await call).toMatchObject({ code: "rpc_down" });
    await until(() => server.open === 0, "the end of the connection");
    expect(await failureOf(ask(rpc))).toMatchObject({ code: "rpc_down" });
    expect(server.open).toBe(0);
  });
});

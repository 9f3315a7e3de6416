import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ChainError, describeFailure } from "../../src/chain/error.ts";
import { Eth } from "../../src/chain/eth.ts";
import { LogRange } from "../../src/chain/logRange.ts";
import { MAX_CALLS_IN_FLIGHT } from "../../src/chain/places.ts";
import { Rpc } from "../../src/chain/rpc.ts";
import type { Address } from "../../src/protocol/address.ts";
import { FaultProxy, first, on } from "./support/faultProxy.ts";

const ESCROW = `0x${"11".repeat(20)}` as Address;
const never = new AbortController().signal;

describe("JSON-RPC access", () => {
  let proxy: FaultProxy;
  let rpc: Rpc;
  let eth: Eth;

  beforeAll(async () => {
    proxy = await new FaultProxy("http://127.0.0.1:9").start();
  });

  afterAll(() => proxy.stop());

  beforeEach(() => {
    proxy.reset();
    rpc = new Rpc({ url: proxy.url, timeoutMs: 300, retries: 2, retryMinMs: 5 });
    eth = new Eth(rpc);
  });

  const failureOfCall = async (method = "eth_chainId") => {
    const error = await rpc.call(method, [], { signal: never }).then(
      () => undefined,
      (reason: ChainError) => reason,
    );
    return error?.failure;
  };
  const chainIdIs31337 = on("eth_chainId", () => ({ kind: "answer", result: "0x7a69" }));

  it.each([
    ["a cut connection", { kind: "cut" }],
    ["a gateway's error page", { kind: "status", status: 502, body: "<html>bad gateway</html>" }],
    ["HTTP 500 with JSON", { kind: "status", status: 500, body: "{}" }],
    ["HTTP 429", { kind: "status", status: 429, headers: { "retry-after": "0" } }],
    ["JSON-RPC -32005", { kind: "error", code: -32005, message: "daily request count exceeded" }],
    ["a rate limit said in words", { kind: "error", code: -32000, message: "Too Many Requests, slow down" }],
    ["an answer that takes too long", { kind: "delay", ms: 600 }],
  ] as const)("outlives %s", async (_name, fault) => {
    proxy.rules = [first(2, () => fault), chainIdIs31337];
    expect(await eth.chainId({ signal: never })).toBe(31337n);
    expect(proxy.requests).toHaveLength(3);
  });

  it("gives up after the retries with the code of the last failure", async () => {
    proxy.rules = [() => ({ kind: "cut" })];
    expect(await failureOfCall()).toMatchObject({ code: "rpc_down", method: "eth_chainId" });
    expect(proxy.requests).toHaveLength(3);
    proxy.rules = [() => ({ kind: "status", status: 429, headers: { "retry-after": "0" } })];
    expect(await failureOfCall()).toMatchObject({ code: "rpc_rate_limited", retryAfterMs: 0 });
  });

  it("says that nobody listens", async () => {
    rpc = new Rpc({ url: "http://127.0.0.1:9", retries: 0 });
    expect(await failureOfCall()).toMatchObject({ code: "rpc_down" });
  });

  it("does not repeat what the server refuses, and keeps a revert's data however deep", async () => {
    proxy.rules = [() => ({ kind: "error", code: 3, message: "execution reverted", data: "0x1234" })];
    expect(await failureOfCall()).toMatchObject({ code: "rpc_error", rpcCode: 3, data: "0x1234" });
    const deep = { data: { message: "reverted", data: "0xabcd" } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 2, error: { code: -32603, message: "x", ...deep } });
    proxy.rules = [() => ({ kind: "status", status: 200, body })];
    expect(await failureOfCall()).toMatchObject({ code: "rpc_error", data: "0xabcd" });
    expect(proxy.requests).toHaveLength(2);
  });

  it("stops at once when aborted, on the wire or between attempts", async () => {
    proxy.rules = [() => ({ kind: "delay", ms: 250 })];
    const controller = new AbortController();
    const call = rpc.call("eth_chainId", [], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(call).rejects.toThrow("enough");
    expect(proxy.requests).toHaveLength(1);
  });

  it("lets no more than its bound of calls onto the wire", async () => {
    let most = 0;
    let open = 0;
    const slow = await new FaultProxy(proxy.url).start();
    proxy.rules = [
      () => {
        most = Math.max(most, ++open);
        setTimeout(() => open--, 10);
        return { kind: "answer", result: "0x1" };
      },
    ];
    slow.rules = [() => ({ kind: "delay", ms: 10 })];
    const calls = new Rpc({ url: slow.url, retries: 0 });
    await Promise.all(Array.from({ length: 40 }, () => calls.call("eth_chainId", [], { signal: never })));
    await slow.stop();
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(MAX_CALLS_IN_FLIGHT);
  });

  it("sends a URL's password as a header and shows it to nobody", async () => {
    const url = new URL(proxy.url);
    url.username = "key";
    url.password = "secret";
    rpc = new Rpc({ url: url.href, retries: 0 });
    proxy.rules = [() => ({ kind: "cut" })];
    const failure = await failureOfCall();
    expect(failure?.code).toBe("rpc_down");
    expect(describeFailure(failure!)).not.toContain("secret");
  });

  it.each([
    ["a header that is a number", "eth_getBlockByNumber", 5],
    ["a header without a hash", "eth_getBlockByNumber", { number: "0x1", timestamp: "0x1" }],
    ["a height beyond every integer", "eth_getBlockByNumber", { number: `0x${"f".repeat(40)}` }],
  ])("refuses %s", async (_name, method, result) => {
    proxy.rules = [on(method, () => ({ kind: "answer", result }))];
    await expect(eth.header("latest", { signal: never })).rejects.toMatchObject({ code: "rpc_bad_answer" });
  });

  it.each([[7], [{}], [[{}]], [[{ topics: ["0x12"] }]], [[null]]])(
    "refuses logs that are %j",
    async (result) => {
      proxy.rules = [() => ({ kind: "answer", result })];
      await expect(eth.logs(ESCROW, 0, 1, { signal: never })).rejects.toMatchObject({
        code: "rpc_bad_answer",
      });
    },
  );

  describe("reading logs in ranges", () => {
    const blocksOf = (params: readonly unknown[]) => {
      const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
      return { from: Number(fromBlock), to: Number(toBlock) };
    };
    const log = (block: number) => ({
      address: ESCROW,
      topics: [],
      data: "0x",
      blockNumber: `0x${block.toString(16)}`,
      blockHash: `0x${"22".repeat(32)}`,
      transactionHash: `0x${"33".repeat(32)}`,
      logIndex: "0x0",
    });

    it.each([
      [-32005, "query returned more than 10000 results"],
      [-32602, "block range is too wide"],
      [-32000, "exceed maximum block range: 100"],
      [-32603, "something nobody has heard of"],
    ])("halves a range refused with %d %s until it fits, and loses no block", async (code, message) => {
      proxy.rules = [
        on("eth_getLogs", (params) => {
          const { from, to } = blocksOf(params);
          if (to - from >= 100) return { kind: "error", code, message };
          return { kind: "answer", result: Array.from({ length: to - from + 1 }, (_, i) => log(from + i)) };
        }),
      ];
      const range = new LogRange(eth, ESCROW);
      const seen: number[] = [];
      for (let next = 10; next <= 1_000; ) {
        const { logs, to } = await range.read(next, 1_000, { signal: never });
        seen.push(...logs.map(({ blockNumber }) => blockNumber));
        next = to + 1;
      }
      expect(seen).toEqual(Array.from({ length: 991 }, (_, i) => i + 10));
    });

    it("reports a single block that is refused", async () => {
      proxy.rules = [
        () => ({ kind: "error", code: -32005, message: "query returned more than 10000 results" }),
      ];
      const read = new LogRange(eth, ESCROW).read(1, 64, { signal: never });
      await expect(read).rejects.toMatchObject({ code: "rpc_too_large" });
    });

    it("refuses logs of other addresses and blocks", async () => {
      const range = new LogRange(eth, ESCROW);
      proxy.rules = [() => ({ kind: "answer", result: [log(99)] })];
      await expect(range.read(1, 5, { signal: never })).rejects.toMatchObject({ code: "rpc_bad_answer" });
      proxy.rules = [() => ({ kind: "answer", result: [{ ...log(2), address: `0x${"44".repeat(20)}` }] })];
      await expect(range.read(1, 5, { signal: never })).rejects.toMatchObject({ code: "rpc_bad_answer" });
    });
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChainError } from "../../src/chain/error.ts";
import { Eth } from "../../src/chain/eth.ts";
import { type EndpointNews, FailoverRpc, type FailoverRpcInit } from "../../src/chain/failover.ts";
import type { Address } from "../../src/protocol/address.ts";
import { type Fault, FaultProxy, on } from "./support/faultProxy.ts";
import { until } from "./support/world.ts";

const never = new AbortController().signal;
const ESCROW = `0x${"11".repeat(20)}` as Address;
const SECRET = "a-key-nobody-may-see";

/** A server that is made up by rules: the right chain, a head, and answers. */
class Server {
  readonly proxy = new FaultProxy("http://127.0.0.1:9");
  chainId = 31337;
  head = 100;
  timestamp: number | undefined;
  fault: Fault | undefined;
  answers: Record<string, Fault> = {};

  async start(): Promise<this> {
    await this.proxy.start();
    this.proxy.rules = [
      () => this.fault,
      on("eth_chainId", () => ({ kind: "answer", result: hex(this.chainId) })),
      on("eth_getBlockByNumber", ([at]) => ({
        kind: "answer",
        result:
          at === "latest" ? this.#block(this.head) : Number(at) > this.head ? null : this.#block(Number(at)),
      })),
      ({ method }) => this.answers[method],
      ({ method }) => ({ kind: "answer", result: hex(method.length) }),
    ];
    return this;
  }

  get url(): string {
    return `${this.proxy.url}/${SECRET}?key=${SECRET}`;
  }

  get name(): string {
    return new URL(this.proxy.url).host;
  }

  /** Calls that were more than a look at chain and head. */
  get served(): string[] {
    const looks = ["eth_chainId", "eth_getBlockByNumber"];
    return this.proxy.requests.map(({ method }) => method).filter((method) => !looks.includes(method));
  }

  #block(number: number): unknown {
    const timestamp = this.timestamp ?? 1_700_000_000 + number * 30;
    const hash = `0x${number.toString(16).padStart(64, "0")}`;
    return { number: hex(number), timestamp: hex(timestamp), hash, parentHash: hash, baseFeePerGas: "0x1" };
  }
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

describe("several servers", () => {
  let a: Server;
  let b: Server;
  let news: EndpointNews[];
  const open: FailoverRpc[] = [];

  beforeAll(async () => {
    a = await new Server().start();
    b = await new Server().start();
  });

  afterAll(async () => {
    await Promise.all([a.proxy.stop(), b.proxy.stop()]);
  });

  beforeEach(() => {
    news = [];
    for (const server of [a, b]) {
      Object.assign(server, {
        chainId: 31337,
        head: 100,
        timestamp: undefined,
        fault: undefined,
        answers: {},
      });
      server.proxy.requests = [];
    }
  });

  afterEach(() => {
    for (const rpc of open.splice(0)) rpc.close();
  });

  function connect(init: Partial<FailoverRpcInit> = {}): FailoverRpc {
    const rpc = new FailoverRpc({
      urls: [a.url, b.url],
      chainId: 31337n,
      retries: 0,
      timeoutMs: 1_000,
      asideMinMs: 50,
      probeMs: 100,
      onNews: (one) => news.push(one),
      ...init,
    });
    open.push(rpc);
    return rpc;
  }

  const gasPrice = (rpc: FailoverRpc) => rpc.call("eth_maxPriorityFeePerGas", [], { signal: never });
  const failureOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: ChainError) => error.failure,
    );
  const kinds = (server: Server) =>
    news.filter(({ endpoint }) => endpoint === server.name).map(({ kind }) => kind);

  it("asks the preferred one, and each of them for its chain before anything else", async () => {
    const rpc = connect();
    await gasPrice(rpc);
    await until(() => rpc.status().every(({ head }) => head === 100), "a look at both");
    expect(a.proxy.requests[0]!.method).toBe("eth_chainId");
    expect(b.proxy.requests[0]!.method).toBe("eth_chainId");
    expect(a.served).toEqual(["eth_maxPriorityFeePerGas"]);
    expect(b.served).toEqual([]);
    expect(news).toEqual([]);
  });

  it.each<[string, Fault]>([
    ["cuts connections", { kind: "cut" }],
    ["answers with a gateway's page", { kind: "status", status: 502, body: "<html>" }],
    ["limits the rate", { kind: "status", status: 429 }],
    ["wants another key", { kind: "status", status: 403, body: '{"error":{"code":1,"message":"no"}}' }],
    ["answers what is no answer", { kind: "status", status: 200, body: "{}" }],
    ["does not answer in time", { kind: "delay", ms: 5_000 }],
  ])(
    "lets the next one take over from one that %s, and takes it back when it is well",
    async (_what, fault) => {
      const rpc = connect({ timeoutMs: 200 });
      a.fault = fault;
      expect(await gasPrice(rpc)).toBe("0x18");
      expect(b.served).toHaveLength(1);
      expect(rpc.status()).toMatchObject([
        { name: a.name, healthy: false, lastFailure: { code: expect.any(String) } },
        { name: b.name, healthy: true, lastFailure: undefined },
      ]);
      // Nobody's call waits for it meanwhile.
      const asked = a.served.length;
      await gasPrice(rpc);
      expect(a.served).toHaveLength(asked);
      a.fault = undefined;
      await until(() => rpc.status()[0]!.healthy, "the first one's return");
      expect(kinds(a)).toEqual(["aside", "back"]);
      await gasPrice(rpc);
      expect(a.served.length).toBe(asked + 1);
    },
  );

  it("sets one that fails on aside for longer each time, and says so once", async () => {
    const rpc = connect();
    b.fault = { kind: "cut" };
    const before = performance.now();
    await gasPrice(rpc);
    await until(() => b.proxy.requests.length >= 4, "four looks at it");
    // 50, 100 and 200, each a quarter less at most.
    expect(performance.now() - before).toBeGreaterThan(260);
    expect(kinds(b)).toEqual(["aside"]);
  });

  it("still asks when all have failed, and fails with what the last one said", async () => {
    const rpc = connect();
    a.fault = { kind: "cut" };
    b.fault = { kind: "status", status: 429 };
    expect(await failureOf(gasPrice(rpc))).toMatchObject({ code: "rpc_rate_limited" });
    a.fault = undefined;
    expect(await gasPrice(rpc)).toBe("0x18");
  });

  it("gives a server's verdict to the caller, and asks nobody for a second opinion", async () => {
    const rpc = connect();
    a.answers = { eth_estimateGas: { kind: "error", code: 3, message: "execution reverted", data: "0x12" } };
    const failure = await failureOf(rpc.call("eth_estimateGas", [{}], { signal: never }));
    expect(failure).toMatchObject({ code: "rpc_error", data: "0x12" });
    expect(b.served).toEqual([]);
    expect(rpc.status()[0]!.healthy).toBe(true);
  });

  it.each([
    [-32000, "header not found"],
    [-32000, "missing trie node 0x12 (path )"],
    [-32601, "the method eth_maxPriorityFeePerGas does not exist/is not available"],
  ])("asks another one that may have what the first one lacks (%d %s)", async (code, message) => {
    const rpc = connect();
    a.answers = { eth_maxPriorityFeePerGas: { kind: "error", code, message } };
    expect(await gasPrice(rpc)).toBe("0x18");
    expect(rpc.status()[0]!.healthy).toBe(true);
    b.answers = a.answers;
    expect(await failureOf(gasPrice(rpc))).toMatchObject({ code: "rpc_error", reason: message });
  });

  describe("of which one is of another chain", () => {
    it("never asks it for anything but its chain", async () => {
      a.chainId = 1;
      const rpc = connect();
      await gasPrice(rpc);
      await gasPrice(rpc);
      const eth = new Eth(rpc);
      await eth.newestHeader({ signal: never });
      await eth.sendRaw("0x01", { signal: never });
      await eth.logs(ESCROW, 1, 2, { signal: never }).catch(() => {});
      expect(new Set(a.proxy.requests.map(({ method }) => method))).toEqual(new Set(["eth_chainId"]));
      expect(rpc.status()[0]).toMatchObject({
        healthy: false,
        head: undefined,
        lastFailure: { code: "wrong_chain" },
      });
      expect(news).toMatchObject([
        { kind: "aside", failure: { code: "wrong_chain", expected: 31337n, actual: 1n } },
      ]);
    });

    it("does not serve while the right one is away", async () => {
      a.chainId = 1;
      b.fault = { kind: "cut" };
      const rpc = connect();
      expect(await failureOf(gasPrice(rpc))).toMatchObject({ code: "rpc_down" });
      expect(await failureOf(gasPrice(rpc))).toMatchObject({ code: "rpc_down" });
      expect(a.served).toEqual([]);
    });

    it("refuses when all are", async () => {
      a.chainId = 1;
      b.chainId = 10;
      const failure = await failureOf(gasPrice(connect()));
      expect(failure).toMatchObject({ code: "wrong_chain", expected: 31337n });
      expect([...a.served, ...b.served]).toEqual([]);
    });

    it("is asked for its chain again after it was away: another server may answer there now", async () => {
      const rpc = connect({ urls: [a.url] });
      await gasPrice(rpc);
      a.fault = { kind: "cut" };
      await failureOf(gasPrice(rpc));
      a.fault = undefined;
      a.chainId = 1;
      expect(await failureOf(gasPrice(rpc))).toMatchObject({ code: "wrong_chain", actual: 1n });
      expect(a.served.filter((method) => method === "eth_maxPriorityFeePerGas")).toHaveLength(2);
    });
  });

  describe("at different heads", () => {
    it("leaves one that is far behind aside until it has caught up", async () => {
      a.head = 50;
      b.head = 100;
      const rpc = connect();
      const eth = new Eth(rpc);
      await eth.newestHeader({ signal: never });
      await until(() => !rpc.status()[0]!.healthy, "the judgement");
      expect((await eth.newestHeader({ signal: never })).number).toBe(100);
      expect(news).toMatchObject([{ kind: "behind", endpoint: a.name, blocks: 50 }]);
      a.head = 101;
      await until(() => rpc.status()[0]!.healthy, "its return");
      expect(rpc.status()[0]).toMatchObject({ head: 101, lastFailure: undefined });
    });

    it("takes a few blocks, and many in one moment of the chain's time, for no lag", async () => {
      const rpc = connect();
      a.head = 97;
      await gasPrice(rpc);
      await until(() => rpc.status().every(({ head }) => head !== undefined), "both heads");
      expect(rpc.status()[0]!.healthy).toBe(true);
      Object.assign(a, { head: 20, timestamp: 1_700_002_980 });
      await until(() => rpc.status()[0]!.head === 20, "the other head");
      expect(rpc.status()[0]!.healthy).toBe(true);
    });

    it("asks nobody for logs of blocks it does not have: it would leave them out and not say so", async () => {
      const rpc = connect();
      const eth = new Eth(rpc);
      b.head = 98;
      expect((await eth.newestHeader({ signal: never })).number).toBe(100);
      a.fault = { kind: "cut" };
      b.answers = { eth_getLogs: { kind: "answer", result: [] } };
      expect(await failureOf(eth.logs(ESCROW, 90, 100, { signal: never, retries: 0 }))).toMatchObject({
        code: "rpc_down",
      });
      expect(b.served).toEqual([]);
      expect(await eth.logs(ESCROW, 90, 98, { signal: never, retries: 0 })).toEqual([]);
      b.head = 100;
      expect(await eth.logs(ESCROW, 90, 100, { signal: never, retries: 0 })).toEqual([]);
      expect(b.served).toEqual(["eth_getLogs", "eth_getLogs"]);
    });

    it("simulates on no older state than the caller has seen, but tells an older head", async () => {
      let now = 0;
      const rpc = connect({ clock: () => now, probeMs: 10 ** 9 });
      const eth = new Eth(rpc);
      b.head = 99;
      await eth.newestHeader({ signal: never });
      a.fault = { kind: "cut" };
      const estimate = () =>
        eth.estimateGas(ESCROW, { to: ESCROW, data: "0x", value: 0n }, { signal: never, retries: 0 });
      expect(await failureOf(estimate())).toMatchObject({ code: "rpc_down" });
      expect((await eth.newestHeader({ signal: never })).number).toBe(99);
      expect(await failureOf(estimate())).toMatchObject({ code: "rpc_down" });
      now += 60_001; // an older state is better than none
      expect(await estimate()).toBe(15n);
    });
  });

  describe("of which one lies", () => {
    it("asks another once its answer was doubted, and that one's lead is no reason to call others behind", async () => {
      a.head = 10 ** 9;
      const rpc = connect();
      const eth = new Eth(rpc);
      expect((await eth.newestHeader({ signal: never })).number).toBe(10 ** 9);
      await until(() => !rpc.status()[1]!.healthy, "the honest one taken for late");
      const lie = { code: "rpc_lying_head", reason: "jumped", known: 100, told: 10 ** 9 } as const;
      expect(eth.doubt(lie)).toBe(true);
      expect(rpc.status()).toMatchObject([{ healthy: false }, { healthy: true }]);
      expect((await eth.newestHeader({ signal: never })).number).toBe(100);
      // It answers whoever looks at it, which is no reason to believe it again.
      const looks = b.proxy.requests.length;
      await until(() => b.proxy.requests.length >= looks + 5, "five looks at the other");
      expect(rpc.status()[0]!.healthy).toBe(false);
      expect(await eth.estimateGas(ESCROW, { to: ESCROW, data: "0x", value: 0n }, { signal: never })).toBe(
        15n,
      );
    });

    it("knows of no other when there is one server, or when all are doubted", async () => {
      const alone = connect({ urls: [a.url] });
      await gasPrice(alone);
      const doubt = { code: "rpc_inconsistent", reason: "x", block: 1 } as const;
      expect(alone.doubt(doubt)).toBe(false);
      expect(alone.status()[0]!.healthy).toBe(true);
      const rpc = connect({ asideMinMs: 10_000 });
      await gasPrice(rpc);
      expect(rpc.doubt(doubt)).toBe(true);
      await gasPrice(rpc);
      expect(rpc.doubt(doubt)).toBe(false);
      await gasPrice(rpc); // the first of them is still better than nobody
    });
  });

  describe("asked what all of them count", () => {
    const least = (rpc: FailoverRpc, at = 100) =>
      new Eth(rpc).leastTransactionCount(ESCROW, at, { signal: never, retries: 0 });
    const counts = (server: Server, count: number) => {
      server.answers.eth_getTransactionCount = { kind: "answer", result: hex(count) };
    };

    it("is told the least, whoever says it", async () => {
      const rpc = connect();
      counts(a, 20);
      counts(b, 5);
      expect(await least(rpc)).toBe(5);
      counts(a, 4);
      expect(await least(rpc)).toBe(4);
    });

    it("goes by those that answer in shape", async () => {
      const rpc = connect();
      counts(a, 20);
      b.answers.eth_getTransactionCount = { kind: "answer", result: "many" };
      expect(await least(rpc)).toBe(20);
      b.fault = { kind: "cut" };
      expect(await least(rpc)).toBe(20);
      expect(rpc.status()).toMatchObject([{ healthy: true }, { healthy: false }]);
    });

    /** `a` tells of a block so many beyond 100 and so many seconds after it; `b` stands at 100, so old by our clock. */
    const told = async (blocks: number, seconds: number, age: number) => {
      const rpc = connect();
      b.timestamp = Math.floor(Date.now() / 1000) - age;
      a.timestamp = b.timestamp + seconds;
      a.head = 100 + blocks;
      counts(a, 20);
      counts(b, 5);
      await gasPrice(rpc);
      await until(() => rpc.status()[1]!.head === 100, "a look at it");
      await new Eth(rpc).newestHeader({ signal: never });
      await until(() => rpc.status()[1]!.healthy === seconds < 60, "it is judged");
      return await least(rpc, a.head);
    };

    it.each([
      ["has not the block", 1, 1],
      ["is called behind while it goes with our clock", 10, 100],
    ])("asks one that %s for its newest: blocks made up silence nobody", async (_, blocks, seconds) => {
      expect(await told(blocks, seconds, 10)).toBe(5);
      const asked = b.proxy.requests.filter(({ method }) => method === "eth_getTransactionCount");
      expect(asked.map(({ params }) => params[1])).toEqual(["latest"]);
    });

    it("asks none that lags behind our clock, too", async () => {
      expect(await told(10, 100, 100)).toBe(20);
    });

    it("asks one that is left, and fails when it does", async () => {
      const rpc = connect();
      counts(b, 5);
      a.fault = { kind: "cut" };
      await gasPrice(rpc);
      expect(await least(rpc)).toBe(5);
      b.fault = { kind: "cut" };
      expect(await failureOf(least(rpc))).toMatchObject({ code: "rpc_down" });
    });
  });

  describe("handing in a transaction", () => {
    const send = (rpc: FailoverRpc) => new Eth(rpc).sendRaw("0x01", { signal: never });

    it("gives it to all", async () => {
      await send(connect());
      await until(() => b.served.length === 1 && a.served.length === 1, "both");
    });

    it.each([
      ["one is down", { kind: "cut" }],
      ["one knows it already", { kind: "error", code: -32000, message: "already known" }],
      ["one finds it too cheap", { kind: "error", code: -32000, message: "transaction underpriced" }],
    ] as const)("is content when %s and the other takes it", async (_what, fault) => {
      const rpc = connect();
      a.answers = { eth_sendRawTransaction: fault };
      await send(rpc);
    });

    it("counts it as taken when it is known", async () => {
      const known: Fault = { kind: "error", code: -32000, message: "already known" };
      a.answers = { eth_sendRawTransaction: known };
      b.answers = { eth_sendRawTransaction: { kind: "cut" } };
      await send(connect());
    });

    it("prefers a server's reason to another's silence, and fails when none can be asked", async () => {
      a.answers = { eth_sendRawTransaction: { kind: "cut" } };
      b.answers = { eth_sendRawTransaction: { kind: "error", code: -32000, message: "nonce too low" } };
      expect(await failureOf(send(connect()))).toMatchObject({ code: "rpc_error", reason: "nonce too low" });
      b.answers = a.answers;
      expect(await failureOf(send(connect()))).toMatchObject({ code: "rpc_down" });
    });
  });

  it("shows a key to nobody", async () => {
    const rpc = connect();
    a.fault = { kind: "cut" };
    b.fault = { kind: "status", status: 500, body: "{}" };
    const error = await gasPrice(rpc).catch((reason: unknown) => reason);
    const seen = [JSON.stringify(rpc.status()), JSON.stringify(news), ...chainOf(error)].join("\n");
    expect(seen).toContain(a.name);
    expect(seen).not.toContain(SECRET);
  });

  it.each([
    [[], 1, "at least one"],
    [["http://a.test", `ftp://${SECRET}@x`], 2, "neither http"],
    [[`https://${SECRET} x`], 1, "not a URL"],
    [["http://a.test", `wss://user:${SECRET}@x.test`], 2, "WebSocket can send no user"],
    [Array.from({ length: 17 }, () => "http://a.test"), 17, "at most 16"],
  ])("refuses the list %j, and does not repeat it", (urls, endpoint, reason) => {
    const attempt = () => new FailoverRpc({ urls, chainId: 1n });
    expect(attempt).toThrow(expect.objectContaining({ code: "rpc_url_invalid" }));
    try {
      attempt();
    } catch (error) {
      expect((error as ChainError).failure).toMatchObject({
        endpoint,
        reason: expect.stringContaining(reason),
      });
      expect(chainOf(error).join("\n")).not.toContain(SECRET);
    }
  });

  it("tells servers of one host apart by their place", () => {
    const rpc = new FailoverRpc({ urls: ["http://a.test/x", "http://a.test/y", "ws://b.test"], chainId: 1n });
    expect(rpc.status().map(({ name }) => name)).toEqual(["a.test#1", "a.test#2", "b.test"]);
  });
});

/** Everything an error and its causes could put into a log. */
function chainOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  return [error.stack ?? "", JSON.stringify({ ...error }, noBigints), ...chainOf(error.cause ?? "")];
}

function noBigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

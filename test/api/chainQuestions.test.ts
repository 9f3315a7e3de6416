import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Caller } from "../../src/api/caller.ts";
import { BURST, ChainQuestions, KEPT_MS } from "../../src/api/chainQuestions.ts";
import { type DaemonWorld, openDaemons, type TestDaemon } from "./support/daemons.ts";

let world: DaemonWorld;
let alice: TestDaemon;
let rpc: Server;
/** How often the chain's server was asked what, since a test began. */
const asked = new Map<string, number>();

beforeAll(async () => {
  world = await openDaemons();
  const chain = world.chain.provider._getConnection().url;
  rpc = createServer(async (request, response) => {
    const body = await text(request);
    for (const { method } of [JSON.parse(body)].flat()) asked.set(method, (asked.get(method) ?? 0) + 1);
    const answer = await fetch(chain, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  });
  await new Promise<void>((resolve) => rpc.listen(0, "127.0.0.1", resolve));
  const rpcUrl = `http://127.0.0.1:${(rpc.address() as AddressInfo).port}`;
  alice = await world.daemon({}, { rpcUrl });
}, 60_000);
beforeEach(() => asked.clear());
afterAll(async () => {
  await world?.stop();
  rpc?.closeAllConnections();
  rpc?.close();
});

const make = async (scopes: string[], by?: string): Promise<string> => {
  const { body } = await alice.call("/v1/access-tokens", {
    body: { name: "reader", scopes },
    ...(by !== undefined && { token: by }),
  });
  return body.secret;
};

describe("a flooding reader", () => {
  it("asks the chain once in a while, however often it asks the node", async () => {
    const readers = [await make(["read"]), await make(["read"])];
    asked.clear();
    const paths = ["/v1/node", "/v1/books", `/v1/tokens/${world.tokenAddress}`];
    const calls = paths.flatMap((path) =>
      Array.from({ length: 100 }, (_, at) => alice.call(path, { token: readers[at % 2]! })),
    );
    for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    // The gas wallet and the books' native coin; a look of the node's own may be among them.
    expect(asked.get("eth_getBalance") ?? 0).toBeLessThan(6);
    // What a token says of itself, and its balance.
    expect(asked.get("eth_call") ?? 0).toBeLessThan(12);
  });

  it("asks about no more tokens than it may, with all it made, and keeps nobody else from asking", async () => {
    const [reader, other] = [await make(["read"]), await make(["read"])];
    const child = await make(["read"], reader);
    const ask = (at: number, token: string | undefined) =>
      alice.call(`/v1/tokens/0x${at.toString(16).padStart(40, "0")}`, token === undefined ? {} : { token });
    const called = await Promise.all(
      Array.from({ length: 3 * BURST }, (_, at) => ask(at + 1, at % 2 === 0 ? reader : child)),
    );
    const refused = called.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(BURST);
    expect(refused[0]!.problem.code).toBe("rate_limited");
    expect((await ask(5_001, other)).problem.code).not.toBe("rate_limited");
    for (let at = 0; at < BURST + 10; at++) {
      expect((await ask(6_000 + at, undefined)).problem.code).not.toBe("rate_limited");
    }
  }, 60_000);
});

describe("an answer", () => {
  const caller: Caller = { accessTokenId: "one", scopes: ["read"], spender: { id: "one" } };
  const signal = new AbortController().signal;

  it("is asked for anew after its time, also where it was a failure", async () => {
    const questions = new ChainQuestions(new AbortController().signal);
    let count = 0;
    const question = async () => {
      count++;
      if (count === 1) throw new Error("no answer");
      return count;
    };
    const ask = () => questions.ask("key", { caller, signal }, question);
    for (let i = 0; i < 3; i++) await expect(ask()).rejects.toThrow("no answer");
    await new Promise((resolve) => setTimeout(resolve, KEPT_MS + 100));
    expect(await ask()).toBe(2);
    expect(await ask()).toBe(2);
  }, 20_000);

  it("comes though the first who asked has gone", async () => {
    const questions = new ChainQuestions(new AbortController().signal);
    const chain = Promise.withResolvers<string>();
    const gone = new AbortController();
    const first = questions.ask("key", { caller, signal: gone.signal }, () => chain.promise);
    const second = questions.ask("key", { caller, signal }, () => Promise.reject(new Error("asked twice")));
    gone.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    chain.resolve("answer");
    expect(await second).toBe("answer");
  });
});

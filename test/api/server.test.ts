import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Handlers } from "../../src/api/handler.ts";
import type { Route } from "../../src/api/schema/route.ts";
import { ROUTES } from "../../src/api/schema/routes.ts";
import { startApi, type TestApi } from "./support/api.ts";

let api: TestApi;
afterEach(() => api?.server.stop());

const RECEIPT = {
  channelId: `0x${"ab".repeat(32)}`,
  nonce: "7",
  index: 0,
  paymentId: `0x${"cd".repeat(16)}`,
  peer: `0x${"ef".repeat(20)}`,
  token: `0x${"00".repeat(20)}`,
  amount: "5",
};
const PAY = { channelId: RECEIPT.channelId, amount: "5" };

const paying: Partial<Handlers> = { pay: async () => RECEIPT };

/** A call as no browser's fetch would send it. */
async function raw(url: string, path: string, headers: Record<string, string>, method = "GET") {
  const sent = request(new URL(path, url), { method, headers });
  sent.end();
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      sent.on("error", reject);
      sent.on("response", async (response) => {
        const body = await text(response);
        resolve({ status: response.statusCode!, headers: response.headers, body });
      });
    },
  );
}

describe("a call", () => {
  it("is read by its schema, handled, and answered by its schema", async () => {
    const seen: unknown[] = [];
    api = await startApi({
      pay: async ({ body, idempotencyKey, caller }) => {
        seen.push(body, idempotencyKey, caller.accessTokenId);
        return { ...RECEIPT, secret: "never leaves" } as typeof RECEIPT;
      },
    });
    const body = { channelId: `0x${"AB".repeat(32)}`, amount: "5" };
    const { status, body: told } = await api.call("/v1/payments", { method: "POST", body, key: "a b~1" });
    expect([status, told]).toEqual([200, RECEIPT]);
    expect(seen).toEqual([PAY, "a b~1", "owner"]);
  });

  it.each([
    ["an amount that is a number", { ...PAY, amount: 5 }, "body", "/amount"],
    ["a negative amount", { ...PAY, amount: "-5" }, "body", "/amount"],
    ["an amount of zero", { ...PAY, amount: "0" }, "body", "/amount"],
    ["a key that is none", { ...PAY, amonut: "5" }, "body", "/amonut"],
    ["both ways of naming whom", { ...PAY, peer: RECEIPT.peer, token: RECEIPT.token }, "body", "/peer"],
  ])("with %s is refused and says where", async (_name, body, part, path) => {
    api = await startApi(paying);
    const { status, problem } = await api.call("/v1/payments", { method: "POST", body, key: "k" });
    expect([status, problem.code, problem.moneyAtStake]).toEqual([400, "request_invalid", false]);
    expect(problem.fields).toMatchObject({ part });
    if (_name.startsWith("a key") || _name.startsWith("both")) expect(problem.fields!.path).toBe(path);
  });

  it.each([
    ["no JSON", '{"amount":', 400, "request_invalid"],
    ["a key that poisons prototypes", '{"__proto__":{"admin":true}}', 400, "request_invalid"],
    ["a body too large", JSON.stringify({ ...PAY, label: "x".repeat(70_000) }), 413, "body_too_large"],
  ])("with %s is refused", async (_name, body, status, code) => {
    api = await startApi(paying);
    const told = await api.call("/v1/payments", { method: "POST", body, key: "k" });
    expect([told.status, told.problem.code]).toEqual([status, code]);
    expect(told.headers.get("content-type")).toBe("application/problem+json");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])(
    "with a body of %s, as forms of other sites send it, is refused",
    async (type) => {
      api = await startApi(paying);
      const options = {
        method: "POST",
        body: JSON.stringify(PAY),
        key: "k",
        headers: { "content-type": type },
      };
      const { status, problem } = await api.call("/v1/payments", options);
      expect([status, problem.code]).toEqual([415, "media_type_unsupported"]);
    },
  );

  it.each([
    ["none", undefined, "idempotency_key_missing"],
    ["one too long", "k".repeat(256), "idempotency_key_invalid"],
    ["one with other letters", "schlüssel", "idempotency_key_invalid"],
  ])("that moves money needs an Idempotency-Key: %s is refused", async (_name, key, code) => {
    api = await startApi(paying);
    const options = { method: "POST", body: PAY, ...(key !== undefined && { key }) };
    expect((await api.call("/v1/payments", options)).problem.code).toBe(code);
  });

  it("with an unknown or invalid query is refused", async () => {
    api = await startApi({ channels: async () => ({ items: [] }) });
    expect((await api.call("/v1/channels?limit=7")).body).toEqual({ items: [] });
    expect((await api.call("/v1/channels?limt=7")).problem.fields).toMatchObject({
      part: "query",
      path: "/limt",
    });
    expect((await api.call("/v1/channels?limit=0")).problem.fields).toMatchObject({
      part: "query",
      path: "/limit",
    });
  });

  it("to nowhere, or with another method, is told so", async () => {
    api = await startApi(paying);
    expect((await api.call("/v1/nothing")).problem).toMatchObject({ status: 404, code: "route_unknown" });
    const told = await api.call("/v1/payments", { method: "DELETE" });
    expect([told.status, told.problem.code, told.headers.get("allow")]).toEqual([
      405,
      "method_not_allowed",
      "POST, GET",
    ]);
  });

  it("that fails unexpectedly says nothing of why, and the log tells it under the call's id", async () => {
    api = await startApi({
      pay: async () => {
        throw new Error("secret text");
      },
    });
    const { status, problem, headers } = await api.call("/v1/payments", {
      method: "POST",
      body: PAY,
      key: "k",
    });
    expect([status, problem.code, problem.moneyAtStake]).toEqual([500, "internal_error", true]);
    expect(JSON.stringify(problem)).not.toContain("secret text");
    expect(problem.instance).toBe(`urn:rivulet:request:${headers.get("x-request-id")}`);
    const line = api.logged.find((text) => text.includes(headers.get("x-request-id")!));
    expect(line).toContain("secret text");
    expect(api.logged.join("")).not.toContain("Bearer");
  });

  it("whose answer is not what the document says is an error of ours, not a wrong answer", async () => {
    api = await startApi({ pay: async () => ({ ...RECEIPT, amount: "a lot" }) });
    const told = await api.call("/v1/payments", { method: "POST", body: PAY, key: "k" });
    expect([told.status, told.problem.code]).toEqual([500, "internal_error"]);
  });
});

describe("access", () => {
  const routes = Object.entries(ROUTES) as [keyof typeof ROUTES, Route][];
  let shared: TestApi;
  beforeAll(async () => {
    shared = await startApi({}, { limits: { anonymousPerSecond: 1_000 } });
  });
  afterAll(() => shared.server.stop());

  it.each(routes)("to %s needs a token, and its scope", async (_name, { method, path, scope }) => {
    const place = path.replace(/:[a-zA-Z]+/g, "1");
    for (const given of [undefined, "Basic cmVhZGVyOg==", "Bearer wrong"]) {
      const headers: Record<string, string> = given === undefined ? {} : { authorization: given };
      const told = await shared.call(place, { method, secret: "", headers });
      expect([told.status, told.problem.code]).toEqual([401, "unauthenticated"]);
      expect(told.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
    const secret = scope === "read" ? "owner" : "reader";
    const { problem } = await shared.call(place, { method, secret });
    if (scope !== "read" && scope !== "any")
      expect(problem).toMatchObject({ code: "scope_missing", fields: { scope } });
    else expect(problem.code).not.toBe("unauthenticated");
  });

  it("is refused before anything of the body is read", async () => {
    api = await startApi(paying);
    const told = await api.call("/v1/payments", { method: "POST", secret: "reader", body: "{" });
    expect(told.problem.code).toBe("scope_missing");
  });

  it("by wrong tokens is counted, and right ones still get in", async () => {
    api = await startApi({ channels: async () => ({ items: [] }) }, { limits: { anonymousPerSecond: 1 } });
    const wrong = () => api.call("/v1/channels", { secret: "wrong" });
    const told = [];
    for (let i = 0; i < 30; i++) told.push(await wrong());
    const refused = told.filter(({ status }) => status === 429);
    expect(refused.length).toBe(20);
    expect(refused[0]!.problem.code).toBe("rate_limited");
    expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await api.call("/v1/channels")).status).toBe(200);
    expect((await api.call("/healthz", { secret: "" })).status).toBe(200);
  });

  it("is counted per token", async () => {
    api = await startApi({ channels: async () => ({ items: [] }) }, { limits: { callsPerSecond: 1 } });
    const statuses = [];
    for (let i = 0; i < 12; i++) statuses.push((await api.call("/v1/channels", { secret: "reader" })).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.at(-1)).toBe(429);
    expect((await api.call("/v1/channels", { secret: "payer" })).status).toBe(200);
  });
});

describe("pages of other sites", () => {
  const authorization = "Bearer owner";

  it.each(["evil.example", "evil.example:9742", "127.0.0.1.evil.example", "localhost.evil.example"])(
    "that call by the host name %s are refused: DNS rebinding",
    async (host) => {
      api = await startApi(paying);
      const { status, body } = await raw(api.url, "/healthz", { host, authorization });
      expect([status, JSON.parse(body).code]).toEqual([421, "host_refused"]);
    },
  );

  it.each(["localhost:1", "127.0.0.1", "[::1]:9742", "LOCALHOST"])("may be served as %s", async (host) => {
    api = await startApi(paying);
    expect((await raw(api.url, "/healthz", { host })).status).toBe(200);
  });

  it("are served under a configured name", async () => {
    api = await startApi(paying, { hosts: ["node.example"] });
    expect((await raw(api.url, "/healthz", { host: "Node.example:443" })).status).toBe(200);
  });

  it.each([
    [{ origin: "https://evil.example" }],
    [{ origin: "null" }],
    [{ origin: "http://127.0.0.1:1" }],
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
  ])("are refused with %j", async (headers) => {
    api = await startApi(paying);
    const { status, body } = await raw(api.url, "/v1/payments", { ...headers, authorization }, "POST");
    expect([status, JSON.parse(body).code]).toEqual([403, "cross_site_refused"]);
  });

  it("may call from the API's own origin and from configured ones, which may read the answer", async () => {
    api = await startApi({ channels: async () => ({ items: [] }) }, { origins: ["https://dash.example"] });
    const own = await raw(api.url, "/v1/channels", {
      origin: api.url,
      authorization,
      "sec-fetch-site": "same-origin",
    });
    expect([own.status, own.headers["access-control-allow-origin"]]).toEqual([200, undefined]);
    const headers = { origin: "https://dash.example", "sec-fetch-site": "cross-site" };
    const theirs = await raw(api.url, "/v1/channels", { ...headers, authorization });
    expect([theirs.status, theirs.headers["access-control-allow-origin"]]).toEqual([
      200,
      "https://dash.example",
    ]);
    const asked = await raw(api.url, "/v1/channels", headers, "OPTIONS");
    expect([asked.status, asked.headers["access-control-allow-headers"]]).toEqual([
      204,
      expect.stringContaining("Idempotency-Key"),
    ]);
  });
});

describe("the server", () => {
  it.each(["0.0.0.0", "192.168.1.7", "::", "node.example", "127.0.0.1.evil.example"])(
    "refuses to listen on %s in the clear unless that is allowed",
    async (host) => {
      await expect(startApi({}, { host })).rejects.toMatchObject({
        code: "remote_refused",
        fields: { host },
      });
    },
  );

  it("listens beyond loopback where that is allowed", async () => {
    api = await startApi(paying, { host: "0.0.0.0", allowRemote: true });
    expect((await api.call("/healthz")).status).toBe(200);
  });

  it("says when its port is taken", async () => {
    api = await startApi({});
    const port = Number(new URL(api.url).port);
    await expect(startApi({}, { port })).rejects.toMatchObject({ code: "address_in_use" });
  });

  it("answers what is no HTTP, and headers without end, and lets them go", async () => {
    api = await startApi({}, { limits: { headersMs: 300, requestMs: 600 } });
    const port = Number(new URL(api.url).port);
    const say = async (bytes: string) => {
      const socket = connect(port, "127.0.0.1");
      socket.write(bytes);
      return text(socket);
    };
    const [garbage, large, slow, slowBody] = await Promise.all([
      say("\x16\x03\x01 hello\r\n\r\n"),
      say(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(40_000)}\r\n\r\n`),
      say("GET / HTTP/1.1\r\nhost: localhost\r\n"),
      say(
        "POST /v1/payments HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer owner\r\n" +
          'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"a',
      ),
    ]);
    expect(garbage).toMatch(/^HTTP\/1.1 400 .*"code":"request_invalid"/s);
    expect(large).toMatch(/^HTTP\/1.1 431 .*"code":"request_invalid"/s);
    expect(slow).toMatch(/^HTTP\/1.1 408 .*"code":"request_timeout"/s);
    expect(slowBody).toMatch(/^HTTP\/1.1 408 .*"code":"request_timeout"/s);
  });

  it("keeps no connection that says nothing, has nothing more to say, or leaves its answer unread", async () => {
    const limits = { headersMs: 300, requestMs: 600, keepAliveMs: 200, idleMs: 700 };
    const metrics = { contentType: "text/plain", text: async () => "x".repeat(32 * 1024 * 1024) };
    api = await startApi({}, { limits, metricsPublic: true }, { metrics });
    const { server } = api.server.app;
    const open = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
    const port = Number(new URL(api.url).port);
    const call = async (bytes: string, reads: boolean) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      if (reads) socket.resume();
      socket.write(bytes);
      await expect.poll(open).toBe(1);
      await expect.poll(open, { timeout: 3_000 }).toBe(0);
      socket.destroy();
    };
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    await call("", true);
    await call(get("/healthz"), true);
    await call(get("/metrics"), false);
  }, 20_000);

  it("when stopping finishes what runs, takes nothing new, and says that it is not ready", async () => {
    const began = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    api = await startApi({
      pay: async () => {
        began.resolve();
        await finish.promise;
        return RECEIPT;
      },
    });
    const paid = api.call("/v1/payments", { method: "POST", body: PAY, key: "k" });
    await began.promise;
    const stopped = api.server.stop();
    expect(api.server.isStopping).toBe(true);
    await expect(api.call("/healthz")).rejects.toThrow();
    finish.resolve();
    expect((await paid).status).toBe(200);
    await stopped;
  });

  it("when stopping ends calls that take too long, and says so to them", async () => {
    api = await startApi(
      {
        pay: ({ signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      },
      { limits: { stopMs: 100 } },
    );
    const paid = api.call("/v1/payments", { method: "POST", body: PAY, key: "k" });
    while (!api.server.app.server.listening) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await api.server.stop();
    expect((await paid).problem).toMatchObject({ code: "node_stopped", moneyAtStake: true });
  });

  it("tells a handler when its client has gone", async () => {
    const gone = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    api = await startApi({
      pay: async ({ signal }) => {
        signal.addEventListener("abort", () => gone.resolve());
        began.resolve();
        await gone.promise;
        throw signal.reason;
      },
    });
    const client = new AbortController();
    const options = { method: "POST", body: PAY, key: "k", signal: client.signal };
    const call = api.call("/v1/payments", options).catch(() => {});
    await began.promise;
    client.abort();
    await Promise.all([gone.promise, call]);
  });

  it("says whether it is ready and why not", async () => {
    let reasons: string[] = [];
    api = await startApi({}, {}, { unready: () => reasons });
    expect(await api.call("/readyz", { secret: "" })).toMatchObject({
      status: 200,
      body: { status: "ready" },
    });
    reasons = ["chain_stale"];
    expect(await api.call("/readyz", { secret: "" })).toMatchObject({
      status: 503,
      body: { status: "not ready", reasons: ["chain_stale"] },
    });
  });

  it("serves metrics to readers only, unless they are public", async () => {
    const metrics = { contentType: "text/plain; version=0.0.4", text: async () => "rivulet_up 1\n" };
    api = await startApi({}, {}, { metrics });
    expect((await api.call("/metrics", { secret: "" })).status).toBe(401);
    expect((await api.call("/metrics", { secret: "reader" })).body).toBe("rivulet_up 1\n");
    await api.server.stop();
    api = await startApi({}, { metricsPublic: true }, { metrics });
    expect((await api.call("/metrics", { secret: "" })).status).toBe(200);
  });

  it("tells whoever observes which route was answered how", async () => {
    const seen: unknown[] = [];
    api = await startApi(paying, {}, { observe: (route, status) => seen.push([route, status]) });
    await api.call("/v1/payments", { method: "POST", body: PAY, key: "k" });
    await api.call("/v1/channels/0x00");
    await api.call(`/${"x".repeat(50)}`);
    expect(seen).toEqual([
      ["/v1/payments", 200],
      ["/v1/channels/:channelId", 400],
      ["", 404],
    ]);
  });
});

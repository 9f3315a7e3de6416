import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Daemon, type DaemonOptions, startDaemon } from "../../src/api/daemon.ts";
import { createNode, type NodeOptions } from "../../src/node/index.ts";
import { FaultProxy } from "../chain/support/faultProxy.ts";
import { callDaemon, type DaemonWorld, openDaemons, until } from "./support/daemons.ts";

let world: DaemonWorld;
let proxy: FaultProxy;
let isDown: boolean;

beforeAll(async () => {
  world = await openDaemons();
  proxy = await new FaultProxy(world.chain.provider._getConnection().url).start();
}, 60_000);
afterAll(async () => {
  await proxy?.stop();
  await world?.stop();
});
beforeEach(() => {
  isDown = true;
  proxy.rules = [() => (isDown ? { kind: "cut" } : undefined)];
});

interface Starting {
  readonly node: NodeOptions;
  readonly starting: Promise<Daemon>;
  readonly at: { readonly url: string; readonly adminToken: string };
}

/** A daemon whose chain does not answer, as soon as its API does. */
async function begin(overrides: Partial<NodeOptions> = {}): Promise<Starting> {
  const node = await world.options({ rpcUrl: proxy.url, ...overrides });
  const { promise, resolve } = Promise.withResolvers<string>();
  const onListening: DaemonOptions["onListening"] = ({ url }) => resolve(url);
  const starting = startDaemon({ node, api: { port: 0 }, version: "1.2.3", onListening });
  starting.catch(() => {});
  const url = await promise;
  const adminToken = (await readFile(join(node.directory, "..", "admin.token"), "utf8")).trim();
  return { node, starting, at: { url, adminToken } };
}

describe("while its node waits for the chain, the API", () => {
  it("lives, is not ready, says what is waited for, and is ready once the chain answers", async () => {
    const { starting, at } = await begin();
    expect((await callDaemon(at, "/healthz")).status).toBe(200);
    const { body } = await until(
      () => callDaemon(at, "/v1/node"),
      ({ body: status }) => status.chain.failure !== undefined,
    );
    expect(body).toMatchObject({
      state: "starting",
      waitsFor: "the chain (rpc_down)",
      chain: { block: -1 },
    });
    const ready = await callDaemon(at, "/readyz");
    expect(ready.status).toBe(503);
    expect(ready.body.reasons).toEqual(["starting", "rpc_down"]);
    const metrics = await callDaemon(at, "/metrics");
    expect(metrics.body).toContain("rivulet_chain_block -1");

    isDown = false;
    const daemon = await starting;
    expect((await callDaemon(at, "/v1/node")).body).toMatchObject({ state: "ready" });
    expect((await callDaemon(at, "/v1/node")).body).not.toHaveProperty("waitsFor");
    expect((await callDaemon(at, "/readyz")).status).toBe(200);
    expect((await callDaemon(at, "/v1/channels")).status).toBe(200);
    await daemon.stop();
  });

  it("refuses everything else with when to ask again, and strangers as ever", async () => {
    const { starting, at } = await begin();
    for (const [path, method] of [
      ["/v1/channels", "GET"],
      ["/v1/events", "GET"],
      ["/v1/unfreeze", "POST"],
      ["/v1/limits/decisions", "GET"],
    ]) {
      const response = await fetch(`${at.url}${path}`, {
        method: method!,
        headers: { authorization: `Bearer ${at.adminToken}` },
      });
      expect([path, response.status, response.headers.get("retry-after")]).toEqual([path, 503, "2"]);
      expect(await response.json()).toMatchObject({ code: "node_starting", moneyAtStake: false });
    }
    const pay = { peer: `0x${"11".repeat(20)}`, token: `0x${"00".repeat(20)}`, amount: "1" };
    expect((await callDaemon(at, "/v1/payments", { body: pay, key: "k" })).problem.code).toBe(
      "node_starting",
    );
    expect((await callDaemon(at, "/v1/channels", { token: "rvk_wrong" })).status).toBe(401);
    expect((await callDaemon(at, "/v1/node/stop", { method: "POST" })).status).toBe(202);
    await expect(starting).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("against a thief, while the chain is away, the API", () => {
  it("pulls the brake and ends access tokens, which is in force and in the log when the node runs", async () => {
    isDown = false;
    const { node, starting: first } = await begin();
    const before = await first;
    const caller = { url: before.url, adminToken: before.adminToken };
    const made = await callDaemon(caller, "/v1/access-tokens", { body: { name: "till", scopes: ["pay"] } });
    await before.stop();
    isDown = true;
    const { starting, at } = await begin(node);
    const listed = await callDaemon(at, "/v1/access-tokens");
    expect(listed.body.items.map(({ id }: { id: string }) => id)).toContain(made.body.id);
    const token = made.body.secret;
    expect((await callDaemon(at, "/v1/freeze", { body: { reason: "stolen" }, token })).status).toBe(204);
    const revoked = await callDaemon(at, "/v1/access-tokens/self", { method: "DELETE", token });
    expect(revoked.status).toBe(204);
    expect((await callDaemon(at, "/v1/freeze", { body: { reason: "again" }, token })).status).toBe(401);
    isDown = false;
    const daemon = await starting;
    expect(daemon.node.spending.frozen?.reason).toBe("stolen");
    const { body } = await callDaemon(at, "/v1/limits/decisions");
    expect(body.items).toMatchObject([{ verdict: "frozen", accessToken: made.body.id }]);
    await daemon.stop();
  });
});

describe("a start that is stopped", () => {
  it("through the API leaves nothing running, and starts again over the same database", async () => {
    const { node, starting, at } = await begin();
    await callDaemon(at, "/v1/node/stop", { method: "POST" });
    await expect(starting).rejects.toMatchObject({ name: "AbortError" });
    await expect(fetch(`${at.url}/healthz`)).rejects.toThrow();
    isDown = false;
    await (await startDaemon({ node, api: { port: 0 }, version: "1.2.3" })).stop();
  });

  it("by its signal ends at once, also before anything was opened", async () => {
    const control = new AbortController();
    const node = await world.options({ rpcUrl: proxy.url, signal: control.signal });
    const starting = createNode(node);
    setTimeout(() => control.abort(new Error("enough")), 300);
    await expect(starting).rejects.toThrow("enough");
    await expect(createNode(node)).rejects.toThrow("enough");
    isDown = false;
    const { signal: _, ...again } = node;
    await (await createNode(again)).stop();
  });

  it("by its own failure says which", async () => {
    const node = await world.options({ proofCopy: { directory: "/dev/null/copies" } });
    await expect(createNode(node)).rejects.toMatchObject({ code: "ENOTDIR" });
    await (await createNode({ ...node, proofCopy: { directory: join(node.directory, "..", "c") } })).stop();
  });
});

describe("what is told while a node starts", () => {
  it("is in the log and in the event log, for whoever looks later", async () => {
    const lines: string[] = [];
    const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
    const { starting, at } = await begin({ log });
    await until(
      () => callDaemon(at, "/readyz"),
      ({ body }) => body.reasons.includes("rpc_down"),
    );
    isDown = false;
    const daemon = await starting;
    expect(lines.map((line) => JSON.parse(line).code)).toContain("rpc_down");
    for await (const event of daemon.node.history.events({ after: "0", types: ["warning"] })) {
      expect(event).toMatchObject({ data: { code: "rpc_down" } });
      break;
    }
    await daemon.stop();
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiContext, Call } from "../../src/api/handler.ts";
import { DEFAULT_LIMITS } from "../../src/api/options.ts";
import { PerCaller } from "../../src/api/perCaller.ts";
import { booksHandlers } from "../../src/api/routes/books.ts";
import { Event } from "../../src/api/schema/event.ts";
import type { Route } from "../../src/api/schema/route.ts";
import { ROUTES, type RouteName } from "../../src/api/schema/routes.ts";
import { type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type DaemonWorld, openDaemons, openThroughApi, type TestDaemon } from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;
let carol: TestDaemon;
let token: string;
let channels: { bob: string; bobNative: string; carol: string };
let keys = 0;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob, carol] = [await world.daemon(), await world.daemon(), await world.daemon()];
  token = world.tokenAddress;
  channels = {
    bob: await openThroughApi(alice, bob, { token, deposit: DEPOSIT }),
    bobNative: await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT }),
    carol: await openThroughApi(alice, carol, { token, deposit: DEPOSIT }),
  };
}, 120_000);
afterAll(() => world?.stop());

const make = async (grant: object, by?: string) =>
  (
    await alice.call("/v1/access-tokens", {
      body: { name: "one", scopes: ["pay"], ...grant },
      ...(by !== undefined && { token: by }),
    })
  ).body;

const pay = (
  by: string | undefined,
  amount: number,
  rest: object = { channelId: channels.bob },
  key = `${keys++}`,
) =>
  alice.call("/v1/payments", {
    body: { amount: `${amount}`, ...rest },
    key,
    ...(by !== undefined && { token: by }),
  });

const small = () => ({
  payees: [bob.daemon.node.signer],
  budgets: [{ token, perPayment: "40", total: "100" }],
});

/** A call of a route that an admin could make, with ids that exist. */
function callOf(name: RouteName, ids: { id: string }): { path: string; body?: unknown } {
  const { path } = ROUTES[name] as Route;
  const filled = path
    .replace(":channelId", channels.bob)
    .replace(":signer", bob.daemon.node.signer)
    .replace(":token", token)
    .replace(":direction/:nonce/:index", "sent/1/0")
    .replace(":paymentHash", `0x${"1".repeat(64)}`)
    .replace(":id", ids.id);
  const bodies: Partial<Record<RouteName, unknown>> = {
    connect: { address: bob.daemon.node.addresses[0] },
    openChannel: { peer: bob.daemon.node.addresses[0], token, deposit: "1" },
    deposit: { amount: "1" },
    withdraw: { amount: "1" },
    createAccessToken: { name: "child", scopes: ["pay"] },
    setLimits: { node: [], peers: [], onLimit: "refuse" },
    backup: { password: "long enough", keystorePassword: "another" },
  };
  const { method } = ROUTES[name] as Route;
  const body = bodies[name] ?? (method === "POST" || method === "PUT" ? {} : undefined);
  return { path: filled, ...(body !== undefined && { body }) };
}

describe("a stolen token for small payments", () => {
  it("is refused by every route but paying, freezing and ending itself, before anything is looked at", async () => {
    const { secret, id } = await make(small());
    const open: RouteName[] = ["pay", "freeze", "revokeAccessToken"];
    const names = (Object.keys(ROUTES) as RouteName[]).filter((name) => !open.includes(name));
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const { path, body } = callOf(name, { id });
      const { method, scope } = ROUTES[name];
      const called = await alice.call(path, { method, body, key: `${keys++}`, token: secret });
      expect([name, called.status, called.problem.code, called.problem.fields]).toEqual([
        name,
        403,
        "scope_missing",
        { scope },
      ]);
    }
  });

  it.each([[["pay"]], [["receive"]], [["read"]]])(
    "of the scopes %s ends itself and nothing else",
    async (scopes) => {
      const [own, other] = [await make({ ...small(), scopes }), await make(small())];
      const end = (id: string) =>
        alice.call(`/v1/access-tokens/${id}`, { method: "DELETE", token: own.secret });
      for (const id of [other.id, other.parent, "nobody"])
        expect((await end(id)).problem.code).toBe("not_found");
      expect((await pay(other.secret, 1)).status).toBe(200);
      expect((await end("self")).status).toBe(204);
      expect((await end("self")).problem.code).toBe("unauthenticated");
      expect((await pay(own.secret, 1)).problem.code).toBe("unauthenticated");
      const again = await make({ ...small(), scopes });
      const byName = await alice.call(`/v1/access-tokens/${again.id}`, {
        method: "DELETE",
        token: again.secret,
      });
      expect(byName.status).toBe(204);
    },
  );

  it("loses its budget and not a unit more, pays nobody else, and in nothing else", async () => {
    const { secret } = await make(small());
    const before = await sent();
    const refusals: [object, string][] = [
      [{ channelId: channels.carol }, "payee_forbidden"],
      [{ peer: carol.daemon.node.signer, token }, "payee_forbidden"],
      [{ channelId: channels.bobNative }, "payee_forbidden"],
    ];
    for (const [to, code] of refusals) {
      const { status, problem } = await pay(secret, 1, to);
      expect([status, problem.code]).toEqual([403, code]);
    }
    expect((await pay(secret, 41)).problem).toMatchObject({
      code: "budget_exceeded",
      moneyAtStake: false,
      fields: { rule: "budget.perPayment", limit: "40" },
    });
    const tries = await Promise.all(Array.from({ length: 30 }, () => pay(secret, 9)));
    expect(tries.filter(({ status }) => status === 200)).toHaveLength(11);
    expect((await pay(secret, 2)).problem.code).toBe("budget_exceeded");
    expect((await pay(secret, 1)).status).toBe(200);
    expect((await sent()) - before).toBe(100n);
  });

  it("that can read makes tokens which spend the same budget, and touches nobody else's", async () => {
    const victim = await make(small());
    const { secret, id } = await make({ ...small(), scopes: ["read", "pay"] });
    const before = await sent();
    for (const grant of [
      { scopes: ["admin"] },
      { scopes: ["receive"] },
      { payees: [carol.daemon.node.signer] },
      { budgets: [{ token: ZERO_ADDRESS }] },
      { budgets: [{ token, total: "101" }] },
    ]) {
      expect((await make(grant, secret)).code).toBe("grant_refused");
    }
    const children: string[] = [];
    for (let i = 0; i < 5; i++) children.push((await make({}, secret)).secret);
    const paid = await Promise.all(children.flatMap((one) => [pay(one, 10), pay(one, 10), pay(one, 10)]));
    expect(paid.filter(({ status }) => status === 200)).toHaveLength(10);
    expect((await sent()) - before).toBe(100n);
    expect((await pay(children[0], 1, { channelId: channels.carol })).problem.code).toBe("payee_forbidden");
    const end = (of: string) => alice.call(`/v1/access-tokens/${of}`, { method: "DELETE", token: secret });
    expect((await end(victim.id)).status).toBe(404);
    expect((await end(id)).status).toBe(204);
    expect((await pay(children[1], 1)).problem.code).toBe("unauthenticated");
    expect((await pay(victim.secret, 1)).status).toBe(200);
  });
});

describe("a flooding reader", () => {
  it("follows events no more often with many tokens made from its own, and keeps nobody else out", async () => {
    const [reader, other] = [await make({ scopes: ["read"] }), await make({ scopes: ["read"] })];
    const children = await Promise.all(
      Array.from({ length: 5 }, () => make({ scopes: ["read"] }, reader.secret)),
    );
    const done = new AbortController();
    const follow = async (by: string) => {
      const headers = { authorization: `Bearer ${by}` };
      return fetch(`${alice.daemon.url}/v1/events`, { headers, signal: done.signal });
    };
    const { streamsPerToken } = DEFAULT_LIMITS;
    try {
      for (let i = 0; i < streamsPerToken; i++) {
        expect((await follow(children[i % children.length].secret)).status).toBe(200);
      }
      for (const { secret } of [reader, ...children]) {
        const refused = await follow(secret);
        expect(refused.status).toBe(429);
        expect(await refused.json()).toMatchObject({ code: "too_many_streams" });
      }
      expect((await follow(other.secret)).status).toBe(200);
    } finally {
      done.abort();
    }
  });
});

describe("statements", () => {
  it("are written two at once for one caller, whatever tokens it made of its own", async () => {
    const statements = new PerCaller(2);
    const api = { node: alice.daemon.node, statements } as unknown as ApiContext;
    const begin = (id: string, answersAs: string, signal = new AbortController().signal) =>
      booksHandlers.statement(
        { query: { format: "csv" }, caller: { spender: { id, answersAs } }, signal } as Call<"statement">,
        api,
      );
    const gone = new AbortController();
    const first = await begin("a", "root");
    await begin("b", "root", gone.signal);
    await expect(begin("c", "root")).rejects.toMatchObject({ code: "queue_full", fields: { limit: 2n } });
    await begin("d", "other");
    for await (const _ of first.body);
    await begin("c", "root");
    await expect(begin("c", "root")).rejects.toMatchObject({ code: "queue_full" });
    gone.abort();
    await begin("c", "root");
    expect((await alice.call("/v1/statements?format=csv")).status).toBe(200);
  });
});

describe("access tokens", () => {
  it("are listed with what they spent and without secrets, as long as they are kept", async () => {
    const made = await make({ ...small(), name: "kiosk" });
    expect(ROUTES.createAccessToken.response.safeParse(made).success).toBe(true);
    await pay(made.secret, 7);
    const list = await alice.call("/v1/access-tokens");
    expect(list.status).toBe(200);
    const found = list.body.items.find(({ id }: { id: string }) => id === made.id);
    expect(found).toMatchObject({ name: "kiosk", revoked: false, spent: [{ token, total: "7", day: "7" }] });
    expect(JSON.stringify(list.body)).not.toContain(made.secret);
    await alice.call(`/v1/access-tokens/${made.id}`, { method: "DELETE" });
    const after = (await alice.call("/v1/access-tokens")).body.items;
    expect(after.find(({ id }: { id: string }) => id === made.id)).toMatchObject({ revoked: true });
  });
});

describe("a flood of payments that are held", () => {
  it("leaves nothing on disk of those that are beyond the bound", async () => {
    const { secret } = await make({ scopes: ["pay"] });
    const policy = { node: [{ token, perPayment: "10" }], peers: [], onLimit: "hold" };
    await alice.call("/v1/limits", { method: "PUT", body: policy });
    const kept = () => alice.daemon.node.records.count("payment-key");
    const before = await kept();
    const to = { peer: bob.daemon.node.signer, token };
    const codes: string[] = [];
    for (let i = 0; i < 60; i++) codes.push((await pay(secret, 11, to)).problem.code);
    expect(codes).toEqual([...Array(20).fill("payment_held"), ...Array(40).fill("queue_full")]);
    expect((await kept()) - before).toBe(20);
    await alice.call("/v1/limits", { method: "PUT", body: { node: [], peers: [], onLimit: "refuse" } });
  });
});

describe("limits", () => {
  const held = { node: [], peers: [], onLimit: "hold" };
  const put = (body: object) => alice.call("/v1/limits", { method: "PUT", body });

  it("hold a payment until an admin lets it go, and it is made once with the same key", async () => {
    const policy = {
      ...held,
      node: [{ token, perPayment: "50" }],
      peers: [{ peer: bob.daemon.node.signer, token, perDay: "900000" }],
      velocity: { windowSeconds: 60, times: 10, floor: [{ token, amount: "800000" }], onTrip: "hold" },
    };
    const { status, body } = await put(policy);
    expect([status, body]).toEqual([200, policy]);
    expect((await alice.call("/v1/limits")).body).toEqual(policy);
    const { secret } = await make({ scopes: ["read", "pay"] });
    const before = await sent();
    const first = await pay(secret, 60, undefined, "held");
    expect([first.status, first.problem.code]).toEqual([403, "payment_held"]);
    const waiting = await alice.call("/v1/approvals?state=waiting", { token: secret });
    expect(waiting.body.items).toMatchObject([{ amount: "60", state: "waiting", rule: "node.perPayment" }]);
    const id = waiting.body.items[0].id;
    expect(id).toBe(first.problem.fields!.approval);
    expect((await alice.call(`/v1/approvals/${id}/approve`, { method: "POST", token: secret })).status).toBe(
      403,
    );
    const { secret: stranger } = await make({ scopes: ["read"] });
    expect((await alice.call("/v1/approvals", { token: stranger })).body.items).toEqual([]);
    expect((await alice.call("/v1/limits/decisions", { token: stranger })).body.items).toEqual([]);
    const approved = await alice.call(`/v1/approvals/${id}/approve`, { method: "POST" });
    expect([approved.status, approved.body.state]).toEqual([200, "approved"]);
    expect((await pay(secret, 60, undefined, "held")).status).toBe(200);
    expect((await pay(secret, 60, undefined, "held")).status).toBe(200);
    expect((await pay(secret, 60)).problem.code).toBe("payment_held");
    expect((await sent()) - before).toBe(60n);
    const { body: page } = await alice.call("/v1/limits/decisions?limit=2");
    expect(ROUTES.decisions.response.safeParse(page).success).toBe(true);
    expect(page.items.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["held", "approved"]);
    const { body: older } = await alice.call(`/v1/limits/decisions?limit=1&cursor=${page.next}`);
    expect(older.items).toMatchObject([{ verdict: "held", rule: "node.perPayment", amount: "60" }]);
    expect((await alice.call("/v1/limits/decisions?cursor=nothing")).problem.code).toBe("cursor_invalid");
    await put({ ...held, onLimit: "refuse" });
  });

  it("refuse two limits of one thing", async () => {
    const { status, problem } = await put({
      node: [
        { token, perDay: "1" },
        { token, perDay: "2" },
      ],
    });
    expect([status, problem.code]).toEqual([400, "option_invalid"]);
  });

  it("tell readers of their own decisions only", async () => {
    const reader = await make({ scopes: ["read"] });
    const own = await make({ scopes: ["read", "pay"], budgets: [{ token, total: "1" }] });
    await pay(own.secret, 2);
    const seen = async (secret: string) => {
      const leave = AbortSignal.timeout(3_000);
      const response = await fetch(`${alice.daemon.url}/v1/events?types=decision`, {
        headers: { authorization: `Bearer ${secret}`, "last-event-id": "0" },
        signal: leave,
      });
      let text = "";
      try {
        for await (const piece of response.body!) {
          text += Buffer.from(piece).toString();
          if (text.includes(own.id)) break;
        }
      } catch (error) {
        if (!leave.aborted) throw error;
      }
      return text
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => JSON.parse(line.slice(5)));
    };
    const told = await seen(own.secret);
    expect(told).toMatchObject([
      { type: "decision", decision: { verdict: "refused", rule: "budget.total", accessToken: own.id } },
    ]);
    expect(Event.safeParse(told[0]).success).toBe(true);
    expect(await seen(reader.secret)).toEqual([]);
  });
});

describe("the brake", () => {
  it("can be pulled by whoever may pay, over a restart, and released only by an admin", async () => {
    const { secret } = await make(small());
    const freeze = await alice.call("/v1/freeze", { body: { reason: "lost phone" }, token: secret });
    expect(freeze.status).toBe(204);
    for (let i = 0; i < 20; i++) await alice.call("/v1/freeze", { body: {}, token: secret });
    const { body } = await alice.call("/v1/limits/decisions?limit=3");
    expect(body.items.filter(({ verdict }: { verdict: string }) => verdict === "frozen")).toHaveLength(1);
    expect((await pay(undefined, 1)).problem.code).toBe("spending_frozen");
    await alice.restart();
    expect((await alice.call("/v1/node")).body.frozen.reason).toBe("lost phone");
    expect((await pay(undefined, 1)).problem.code).toBe("spending_frozen");
    expect((await alice.call("/v1/unfreeze", { method: "POST", token: secret })).problem.code).toBe(
      "scope_missing",
    );
    expect((await alice.call("/v1/unfreeze", { method: "POST" })).status).toBe(204);
    expect((await alice.call("/v1/node")).body.frozen).toBeUndefined();
  });
});

async function sent(): Promise<bigint> {
  const all = Object.values(channels).map((id) => alice.daemon.node.channel(id as ChannelId));
  return (await Promise.all(all)).reduce((sum, channel) => sum + channel.sent, 0n);
}

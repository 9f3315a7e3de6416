import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Event } from "../../src/api/schema/event.ts";
import { Payment } from "../../src/api/schema/payment.ts";
import { RivuletClient } from "../../src/client/client.ts";
import { type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type DaemonWorld, openDaemons, openThroughApi, type TestDaemon } from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;
let channelId: string;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob] = [await world.daemon(), await world.daemon()];
  channelId = await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT });
  for (let i = 1; i <= 5; i++) {
    const label = i === 3 ? { label: "Miete für März" } : {};
    const paid = await alice.call("/v1/payments", {
      body: { channelId, amount: `${i}`, ...label },
      key: `k${i}`,
    });
    expect(paid.status).toBe(200);
  }
}, 60_000);

afterAll(() => world?.stop());

/** Server-sent events until `enough`. */
async function follow(
  { daemon }: TestDaemon,
  query: string,
  enough: (events: Event[]) => boolean,
  lastEventId?: string,
): Promise<Event[]> {
  const response = await fetch(`${daemon.url}/v1/events${query}`, {
    headers: {
      authorization: `Bearer ${daemon.adminToken}`,
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
    },
    signal: AbortSignal.timeout(20_000),
  });
  expect(response.status).toBe(200);
  const events: Event[] = [];
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      const id = /^id: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data === undefined) continue;
      const told = JSON.parse(data);
      expect(told.cursor).toBe(id);
      events.push(Event.parse(told));
    }
    if (enough(events)) break;
  }
  return events;
}

const payments = (events: Event[]) =>
  events.flatMap((event) => (event.type === "payment" ? [event.payment] : []));

describe("payments through the API", () => {
  it("are listed newest first, page by page, each as its schema has it", async () => {
    const amounts: string[] = [];
    for (let cursor = ""; ; ) {
      const { status, body } = await alice.call(`/v1/payments?limit=2${cursor}`);
      expect(status).toBe(200);
      for (const item of body.items) amounts.push(Payment.parse(item).amount);
      if (body.next === undefined) break;
      cursor = `&cursor=${encodeURIComponent(body.next)}`;
    }
    expect(amounts).toEqual(["5", "4", "3", "2", "1"]);
    const received = await bob.call("/v1/payments?direction=received&limit=1000");
    expect(received.body.items.map(({ amount }: Payment) => amount)).toEqual(amounts);
  });

  it("are found by label, channel, peer and period", async () => {
    const count = async (query: string) => (await alice.call(`/v1/payments?${query}`)).body.items.length;
    expect(await count(`label=${encodeURIComponent("Miete für März")}`)).toBe(1);
    expect(await count(`channelId=${channelId.toUpperCase().replace("0X", "0x")}`)).toBe(5);
    expect(await count(`peer=${bob.daemon.node.signer}&token=${ZERO_ADDRESS}`)).toBe(5);
    expect(await count(`peer=${alice.daemon.node.signer}`)).toBe(0);
    expect(await count("to=1000000000")).toBe(0);
    expect(await count("from=1000000000")).toBe(5);
  });

  it("are named for ever", async () => {
    const path = `/v1/payments/${channelId}/sent/3/0`;
    const { body } = await alice.call(path);
    expect(Payment.parse(body)).toMatchObject({
      amount: "3",
      label: "Miete für März",
      final: true,
      nonce: "3",
    });
    await alice.restart();
    expect((await alice.call(path)).body).toEqual(body);
    const unknown = await alice.call(`/v1/payments/${channelId}/received/3/0`);
    expect([unknown.status, unknown.problem.code]).toEqual([404, "payment_unknown"]);
    const invalid = await alice.call("/v1/payments?cursor=rubbish");
    expect([invalid.status, invalid.problem.code]).toEqual([400, "cursor_invalid"]);
  });
});

describe("events through the API", () => {
  it("come all from the oldest, and go on behind any of them over a restart", async () => {
    const all = await follow(bob, "?after=0", (events) => payments(events).length === 5);
    expect(payments(all).map(({ amount }) => amount)).toEqual(["1", "2", "3", "4", "5"]);
    const middle = all.find((event) => event.type === "payment" && event.payment.amount === "2")!;
    await bob.restart();
    const rest = await follow(bob, "?types=payment", (events) => events.length === 3, middle.cursor);
    expect(payments(rest).map(({ amount }) => amount)).toEqual(["3", "4", "5"]);
    const sent = await follow(alice, "?after=0&types=payment", (events) => events.length === 5);
    expect(payments(sent).map(({ final, direction }) => [final, direction])).toEqual(
      Array(5).fill([true, "sent"]),
    );
  });

  it("end with the access token that reads them: what comes then is not for its holder", async () => {
    await alice.daemon.node.connect(bob.daemon.node.addresses[0]!);
    await alice.daemon.node.ready(channelId as ChannelId);
    const grant = { name: "reader", scopes: ["read"] };
    const { body: parent } = await alice.call("/v1/access-tokens", { body: grant });
    const { body: made } = await alice.call("/v1/access-tokens", { body: grant, token: parent.secret });
    const response = await fetch(`${alice.daemon.url}/v1/events?types=payment`, {
      headers: { authorization: `Bearer ${made.secret}` },
      signal: AbortSignal.timeout(20_000),
    });
    const pieces = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    const pay = (key: string) =>
      alice.call("/v1/payments", { body: { channelId, amount: "1", label: key }, key });
    const next = async () => (await pieces.next()).value ?? "";
    expect(await next()).toContain("retry:");
    await pay("before");
    expect(await next()).toContain('"label":"before"');
    await alice.call(`/v1/access-tokens/${parent.id}`, { method: "DELETE" });
    await pay("after");
    expect(await next()).toBe(": goodbye\n\n");
    expect((await pieces.next()).done).toBe(true);
  });

  it("tell of operations, requests and decisions as their schemas have them", async () => {
    const made = await bob.call("/v1/requests", {
      body: { token: ZERO_ADDRESS, amount: "9", description: "tea" },
      key: "tea",
    });
    expect(made.status).toBe(201);
    const paid = await alice.call("/v1/payments", { body: { request: made.body.request }, key: "tea" });
    expect(paid.body.amount ?? paid.problem).toBe("9");
    const [request] = await follow(bob, "?after=0&types=request", ({ length }) => length === 1);
    expect(request).toMatchObject({ request: { state: "paid", amount: "9" } });
    const operations = await follow(alice, "?after=0&types=operation", (events) =>
      events.some((event) => event.type === "operation" && event.operation.state === "succeeded"),
    );
    expect(operations.length).toBeGreaterThan(1);
    await alice.daemon.node.spending.freeze("by hand");
    const [decision] = await follow(alice, "?after=0&types=decision", ({ length }) => length === 1);
    expect(decision).toMatchObject({ decision: { verdict: "frozen" } });
  });

  it("from now on miss nothing when the connection is cut before any came", async () => {
    const { url, adminToken: token } = bob.daemon;
    const port = Number(new URL(url).port);
    const greeted = Promise.withResolvers<void>();
    const cut = Promise.withResolvers<void>();
    const sockets: Socket[] = [];
    let isBlocked = false;
    const wire = createServer((near) => {
      if (isBlocked) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      for (const socket of [near, far]) sockets.push(socket.on("error", () => {}));
      near.pipe(far).pipe(near);
      far.on("data", (bytes) => /^retry: /m.test(`${bytes}`) && greeted.resolve());
    });
    await once(wire.listen(0, "127.0.0.1"), "listening");
    const { port: wirePort } = wire.address() as AddressInfo;
    const client = new RivuletClient({ url: `http://127.0.0.1:${wirePort}`, token });
    const onReconnect = () => cut.resolve();
    const events = client.events({ types: ["payment"], onReconnect });
    const next = events.next();
    await greeted.promise;
    isBlocked = true;
    for (const socket of sockets) socket.destroy();
    await cut.promise;
    await alice.daemon.node.spending.unfreeze();
    const body = { channelId, amount: "77" };
    expect((await alice.call("/v1/payments", { body, key: "meanwhile" })).status).toBe(200);
    isBlocked = false;
    expect((await next).value).toMatchObject({ type: "payment", payment: { amount: "77" } });
    await events.return(undefined);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => wire.close(resolve));
  });

  it("refuse cursors that are none before the stream begins", async () => {
    const refused = await alice.call("/v1/events?after=nonsense");
    expect([refused.status, refused.problem.code]).toEqual([400, "cursor_invalid"]);
    const old = await alice.call(`/v1/events?after=${"0".repeat(16)}-1-0`);
    expect(old.problem.code).toBe("cursor_expired");
    const [first] = await follow(alice, `?after=${old.problem.fields?.oldest}`, ({ length }) => length > 0);
    expect(first).toEqual((await follow(alice, "?after=0", ({ length }) => length > 0))[0]);
  });
});

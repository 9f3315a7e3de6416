import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MAX_UNDER_WAY } from "../../src/api/paying.ts";
import { type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import {
  type Called,
  type DaemonWorld,
  openDaemons,
  openThroughApi,
  type TestDaemon,
} from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;
/** Far longer than a refusal takes. */
const PAY_MS = 15_000;
const AT_ONCE_MS = PAY_MS / 3;

let world: DaemonWorld;
let payer: TestDaemon;
let payee: TestDaemon;
let channelId: string;
let peer: string;
let keys = 0;

beforeAll(async () => {
  world = await openDaemons();
  payer = await world.daemon({ limits: { payMs: PAY_MS, connections: 4_096 } });
  payee = await world.daemon();
  peer = payee.daemon.node.signer;
  channelId = await openThroughApi(payer, payee, { token: ZERO_ADDRESS, deposit: DEPOSIT });
}, 60_000);

afterAll(() => world?.stop());

const make = async (grant: object, by?: string) =>
  (
    await payer.call("/v1/access-tokens", {
      body: { name: "one", scopes: ["pay"], ...grant },
      ...(by !== undefined && { token: by }),
    })
  ).body;
const pay = (by: string | undefined, body: object): Promise<Called> =>
  payer.call("/v1/payments", { body, key: `key${keys++}`, ...(by !== undefined && { token: by }) });
const request = async (change: object): Promise<string> => {
  const made = await payee.call("/v1/requests", {
    body: { token: ZERO_ADDRESS, ...change },
    key: `ask${keys++}`,
  });
  return made.body.request;
};
const sent = async () => (await payer.daemon.node.channel(channelId as ChannelId)).sent;
const waitingPayments = async () => {
  const { body } = await payer.call("/metrics");
  return Number(/queue="payments"\} (\d+)/.exec(body)?.[1]);
};
const forbidden = () => ({ payees: [payer.daemon.node.account] });

async function isBack(): Promise<void> {
  await payee.restart();
  const { node } = payer.daemon;
  await node.connect(payee.daemon.node.addresses[0]!);
  await node.ready(channelId as ChannelId);
}

describe("an idempotency key", () => {
  const order = (body: object, key: string, token?: string) =>
    payer.call("/v1/payments", { body, key, ...(token !== undefined && { token }) });

  it("of one token is nothing to another", async () => {
    const [one, other] = [await make({}), await make({})];
    const before = await sent();
    for (const [{ secret }, amount] of [
      [one, "2"],
      [other, "3"],
      [one, "2"],
    ] as const) {
      expect((await order({ channelId, amount }, "shared", secret)).body).toMatchObject({ amount });
    }
    expect((await sent()) - before).toBe(5n);
  });

  it("stays on the channel that was chosen first, whatever has more capacity now", async () => {
    const to = { peer, token: ZERO_ADDRESS, amount: "6" };
    const first = await order(to, "chosen");
    const larger = await openThroughApi(payer, payee, { token: ZERO_ADDRESS, deposit: DEPOSIT * 2n });
    expect((await order(to, "afterwards")).body).toMatchObject({ channelId: larger });
    const again = await order(to, "chosen");
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    await payer.daemon.node.close(larger as ChannelId);
  });
});

describe("what is refused", () => {
  it("leaves no label behind", async () => {
    const { secret } = await make({ budgets: [{ token: ZERO_ADDRESS, total: "5" }] });
    const body = { channelId, amount: "6", label: "never paid" };
    const refused = await payer.call("/v1/payments", { body, key: "labelled", token: secret });
    expect(refused.problem.code).toBe("budget_exceeded");
    // The same key of the same token is the same payment: without a label of its own it shows a label left behind.
    const paid = await payer.call("/v1/payments", {
      body: { channelId, amount: "5" },
      key: "labelled",
      token: secret,
    });
    expect(paid.status).toBe(200);
    const { body: listed } = await payer.call("/v1/payments?limit=1");
    expect(listed.items).toMatchObject([{ nonce: paid.body.nonce, amount: "5" }]);
    expect(listed.items[0].label).toBeUndefined();
  });

  it("fixes nothing of a request that leaves its amount open", async () => {
    const open = await request({ description: "What you like" });
    const { secret } = await make({ budgets: [{ token: ZERO_ADDRESS, total: "5" }] });
    expect((await pay(secret, { request: open, amount: "6" })).problem.code).toBe("budget_exceeded");
    const paid = await pay(undefined, { request: open, amount: "7", label: "thanks" });
    expect(paid.body).toMatchObject({ amount: "7" });
    const { body: listed } = await payer.call("/v1/payments?limit=1");
    expect(listed.items).toMatchObject([{ amount: "7", label: "thanks" }]);
  });
});

describe("while the payee is away", () => {
  let asked: string;
  beforeEach(async () => {
    asked = await request({ amount: "9" });
    await payee.daemon.stop();
  });
  afterEach(isBack, 30_000);

  it("nobody waits for what the gate refuses anyway", async () => {
    const { secret } = await make(forbidden());
    for (const body of [
      { channelId, amount: "1" },
      { peer, token: ZERO_ADDRESS, amount: "1" },
      { request: asked },
    ]) {
      const began = performance.now();
      expect((await pay(secret, body)).problem.code).toBe("payee_forbidden");
      expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
    }
  });

  it("a waiting payment of a token that is revoked meanwhile is never made", async () => {
    const parent = await make({ scopes: ["read", "pay"] });
    const child = await make({}, parent.secret);
    const before = await sent();
    const orders = [{ channelId }, { peer, token: ZERO_ADDRESS }];
    const waiting = orders.map((to) => pay(child.secret, { ...to, amount: "3" }));
    const settled = Promise.all(waiting);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await payer.call(`/v1/access-tokens/${parent.id}`, { method: "DELETE" })).status).toBe(204);
    await isBack();
    const codes = (await settled).map(({ problem }) => problem.code);
    expect(codes).toEqual(["unauthenticated", "unauthenticated"]);
    expect(await sent()).toBe(before);
  }, 30_000);

  it("one caller fills its own room with waiting payments and nobody else's", async () => {
    const flood = await make({ scopes: ["read", "pay"] });
    const child = await make({}, flood.secret);
    const other = await make({});
    const before = await sent();
    const waiting = Array.from({ length: MAX_UNDER_WAY }, () =>
      pay(flood.secret, { channelId, amount: "1" }),
    );
    const settled = Promise.all(waiting);
    await expect.poll(waitingPayments, { timeout: 20_000 }).toBe(MAX_UNDER_WAY);
    for (const { secret } of [flood, child]) {
      const { status, problem } = await pay(secret, { channelId, amount: "1" });
      expect([status, problem.code, problem.fields]).toEqual([
        429,
        "queue_full",
        { limit: `${MAX_UNDER_WAY}` },
      ]);
    }
    const others = pay(other.secret, { channelId, amount: "1" });
    await isBack();
    const codes = (await settled).map(({ status, problem }) => `${status} ${problem.code ?? ""}`);
    expect(new Set(codes)).toEqual(new Set(["200 "]));
    expect((await others).status).toBe(200);
    expect((await sent()) - before).toBe(BigInt(MAX_UNDER_WAY) + 1n);
  }, 60_000);
});

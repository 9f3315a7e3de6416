import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Event } from "../../src/api/schema/event.ts";
import { ROUTES } from "../../src/api/schema/routes.ts";
import { restoreBackup } from "../../src/node/index.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import {
  type DaemonWorld,
  KEYSTORE_PASSWORD,
  openDaemons,
  openThroughApi,
  type TestDaemon,
} from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;
let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob] = [await world.daemon(), await world.daemon()];
  await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT });
}, 60_000);

afterAll(() => world?.stop());

const ask = (change: object = {}) =>
  bob.call("/v1/requests", {
    body: { token: ZERO_ADDRESS, amount: "500", description: "Two coffees", ...change },
    key: crypto.randomUUID(),
  });
const pay = (body: object) => alice.call("/v1/payments", { body, key: crypto.randomUUID() });

/** The first event of this type in a daemon's stream. */
async function firstEvent({ daemon }: TestDaemon, type: string): Promise<Event> {
  const response = await fetch(`${daemon.url}/v1/events?after=0&types=${type}`, {
    headers: { authorization: `Bearer ${daemon.adminToken}` },
  });
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    const data = /^data: (.*)\n\n/m.exec(text)?.[1];
    if (data !== undefined) return Event.parse(JSON.parse(data));
  }
  throw new Error("the stream ended");
}

describe("requests over HTTP", () => {
  it("are made, read, paid once and told", async () => {
    const made = await ask();
    expect(made.status).toBe(201);
    const { request, paymentHash, uri } = ROUTES.makeRequest.response.parse(made.body);
    const decoded = await alice.call("/v1/requests/decode", { body: { request: uri.toUpperCase() } });
    expect(decoded.body).toMatchObject({ paymentHash, payable: true, amount: "500" });
    const [paid, again] = [await pay({ request, label: "coffee" }), await pay({ request })];
    expect([paid.status, again.status]).toEqual([200, 200]);
    expect(paid.body).not.toHaveProperty("alreadyPaid");
    expect(again.body).toEqual({ ...ROUTES.pay.response.parse(paid.body), alreadyPaid: true });
    const known = await bob.call(`/v1/requests/${paymentHash}`);
    expect(known.body).toMatchObject({ state: "paid", paid: { amount: "500", nonce: paid.body.nonce } });
    expect(await firstEvent(bob, "request")).toMatchObject({
      type: "request",
      request: { paymentHash, state: "paid" },
    });
    const listed = await bob.call("/v1/requests?state=paid");
    expect(listed.body.items.map((item: { paymentHash: string }) => item.paymentHash)).toEqual([paymentHash]);
  });

  it("are refused with a problem that says what to do", async () => {
    const { request } = (await ask()).body;
    const wrong = `${request.slice(0, -1)}${request.endsWith("q") ? "p" : "q"}`;
    expect((await pay({ request: wrong })).problem).toMatchObject({ status: 400, code: "request_checksum" });
    expect((await pay({ request, amount: "1" })).problem).toMatchObject({ code: "request_amount_differs" });
    const unknown = await bob.call(`/v1/requests/0x${"12".repeat(32)}`);
    expect(unknown.problem).toMatchObject({ status: 404, code: "request_unknown" });
    expect((await ask({ description: "two\nlines" })).problem).toMatchObject({ code: "option_invalid" });
  });

  it("of a recipient that is away are refused in time, unsigned, and can be paid when it is back", async () => {
    const hasty = await world.daemon({ limits: { payMs: 1_000 } });
    const payee = await world.daemon();
    await openThroughApi(hasty, payee, { token: ZERO_ADDRESS, deposit: DEPOSIT });
    const body = { token: ZERO_ADDRESS, amount: "9" };
    const made = await payee.call("/v1/requests", { body, key: "one" });
    await payee.daemon.stop();
    const order = { body: { request: made.body.request }, key: "two" };
    const away = await hasty.call("/v1/payments", order);
    expect(["peer_away", "peer_offline"]).toContain(away.problem.code);
    await payee.restart();
    await hasty.daemon.node.connect(payee.daemon.node.addresses[0]!);
    const paid = await hasty.call("/v1/payments", order);
    expect(paid.body).toMatchObject({ amount: "9" });
    const known = await payee.call(`/v1/requests/${made.body.paymentHash}`);
    expect(known.body).toMatchObject({ state: "paid", paid: { amount: "9" } });
  }, 60_000);

  it("are in the backup that the API hands out", async () => {
    const response = await fetch(`${bob.daemon.url}/v1/backup`, {
      method: "POST",
      headers: { authorization: `Bearer ${bob.daemon.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ password: "correct horse", keystorePassword: KEYSTORE_PASSWORD }),
    });
    expect(response.headers.get("content-type")).toContain("application/octet-stream");
    const directory = join(bob.options.directory, "..", "restored");
    const report = await restoreBackup({
      file: response.body as unknown as AsyncIterable<Uint8Array>,
      password: "correct horse",
      directory,
      oldNodeIsGone: true,
    });
    expect(report).toMatchObject({ mnemonic: bob.options.mnemonic, channels: [{ received: 500n }] });
  });
});

import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Backups } from "../../src/api/backups.ts";
import type { ApiContext, Call } from "../../src/api/handler.ts";
import { Paying } from "../../src/api/paying.ts";
import { backupHandlers } from "../../src/api/routes/backup.ts";
import { payRequest, requestOfEvent, requestsHandlers } from "../../src/api/routes/requests.ts";
import { ROUTES } from "../../src/api/schema/routes.ts";
import { restoreBackup } from "../../src/node/index.ts";
import { collect } from "./support/collect.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node({ eventLog: {} })];
  await openFunded(alice, bob, 10n ** 15n);
}, 60_000);

afterAll(() => world?.stop());

/** What these handlers use of the context. */
const apiOf = ({ node }: TestNode) =>
  ({
    node,
    paying: new Paying({ node, patienceMs: 10_000 }),
  }) as unknown as ApiContext;

const common = {
  params: undefined,
  query: undefined,
  body: undefined,
  idempotencyKey: "",
  lastEventId: undefined,
  signal: AbortSignal.timeout(60_000),
};
const caller = { accessTokenId: "one", scopes: ["receive" as const], spender: { id: "one" } };

/** As the server calls: bodies through their schema, answers through theirs. */
async function make(body: object, idempotencyKey: string, accessTokenId = "one") {
  const call = {
    ...common,
    body: ROUTES.makeRequest.body.parse(body),
    idempotencyKey,
    caller: { ...caller, accessTokenId },
  } as unknown as Call<"makeRequest">;
  return ROUTES.makeRequest.response.parse(await requestsHandlers.makeRequest(call, apiOf(bob)));
}

async function list(query: object) {
  const call = {
    ...common,
    query: ROUTES.requests.query.parse(query),
    caller,
  } as unknown as Call<"requests">;
  return ROUTES.requests.response.parse(await requestsHandlers.requests(call, apiOf(bob)));
}

const body = { token: `0x${"00".repeat(20)}`, amount: "500", description: "Two coffees", label: "table 4" };

describe("the requests of the API", () => {
  it("are made once per key and access token, read, decoded and paid", async () => {
    const made = await make(body, "a");
    expect(made).toMatchObject({
      state: "open",
      amount: "500",
      label: "table 4",
      description: "Two coffees",
    });
    expect((await make(body, "a")).request).toBe(made.request);
    expect((await make(body, "a", "two")).request).not.toBe(made.request);
    await expect(make({ ...body, amount: "501" }, "a")).rejects.toMatchObject({ code: "request_conflict" });
    const decode = { ...common, body: { request: made.uri }, caller } as unknown as Call<"decodeRequest">;
    const decoded = await requestsHandlers.decodeRequest(decode, apiOf(alice));
    expect(ROUTES.decodeRequest.response.parse(decoded)).toMatchObject({ payable: true, expired: false });

    const answer = await payRequest(
      { request: made.request, label: "coffee" },
      { ...common, caller },
      apiOf(alice),
    );
    const receipt = ROUTES.pay.response.parse(answer);
    expect(receipt).toMatchObject({ amount: "500", peer: bob.node.signer, token: body.token });
    const { paymentHash } = made;
    const get = { ...common, params: { paymentHash }, caller } as unknown as Call<"request">;
    await expect
      .poll(async () => ROUTES.request.response.parse(await requestsHandlers.request(get, apiOf(bob))))
      .toMatchObject({ state: "paid", paid: { nonce: receipt.nonce, index: receipt.index, amount: "500" } });
  });

  it("come page by page", async () => {
    for (const key of ["b", "c", "d"]) await make(body, key);
    const all = await list({});
    expect(all.next).toBeUndefined();
    const first = await list({ limit: 2 });
    const rest = await list({ cursor: first.next });
    expect([...first.items, ...rest.items]).toEqual(all.items);
    expect((await list({ state: "paid" })).items).toHaveLength(1);
    await expect(list({ cursor: "x" })).rejects.toMatchObject({ code: "cursor_invalid" });
  });

  it("are remembered by the history when they are paid, in the batch that pays them", async () => {
    const signal = AbortSignal.timeout(10_000);
    const told: unknown[] = [];
    for await (const event of bob.node.history.events({ after: "0", types: ["request"], signal })) {
      if (event.type === "request") told.push(await requestOfEvent(event.data, apiOf(bob)));
      break;
    }
    expect(told).toEqual((await list({ state: "paid" })).items);
    const records = await collect(bob.node.records.list("requestPaid"));
    expect(records).toHaveLength(1);
  });
});

describe("the backup of the API", () => {
  it("is a file that restores", async () => {
    const openKeystore = async () => bob.options.mnemonic;
    const log = pino({ level: "silent" });
    const backups = new Backups({ node: bob.node, log, access: { openKeystore } });
    const body = { password: "correct horse", keystorePassword: "of the keystore" };
    const call = { ...common, body, caller } as unknown as Call<"backup">;
    const {
      body: pieces,
      fileName,
      mediaType,
    } = await backupHandlers.backup(call, {
      ...apiOf(bob),
      backups,
    });
    expect(mediaType).toBe(ROUTES.backup.produces[0]);
    expect(fileName).toMatch(/^rivulet-\d{4}-\d\d-\d\d\.backup$/);
    const directory = `${bob.options.directory}-restored`;
    const options = { password: "correct horse", directory, oldNodeIsGone: true };
    const file = pieces as AsyncIterable<Uint8Array>;
    const report = await restoreBackup({ ...options, file });
    expect(report.channels).toHaveLength(1);
    expect(report.mnemonic).toBe(bob.options.mnemonic);
  });
});

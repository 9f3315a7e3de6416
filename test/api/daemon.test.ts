import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDaemon } from "../../src/api/daemon.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { TOKENS } from "../node/support/world.ts";
import {
  type DaemonWorld,
  finished,
  openDaemons,
  openThroughApi,
  type TestDaemon,
  until,
} from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob] = [await world.daemon(), await world.daemon()];
}, 60_000);
afterAll(() => world?.stop());

describe("a daemon", () => {
  it("makes an access token that only its owner can read, and keeps it", async () => {
    const file = join(alice.options.directory, "..", "admin.token");
    expect((await readFile(file, "utf8")).trim()).toBe(alice.daemon.adminToken);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(alice.daemon.adminToken).toMatch(/^rvk_[A-Za-z0-9_-]{43}$/);
    expect((await alice.call("/v1/node", { token: "rvk_wrong" })).status).toBe(401);
  });

  it("says what it is and how it is", async () => {
    const { status, body } = await alice.call("/v1/node");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      version: "1.2.3",
      state: "ready",
      account: alice.daemon.node.account,
      signer: alice.daemon.node.signer,
      chainId: "31337",
      escrow: world.escrowAddress,
      chain: { fresh: true, confirmations: 1 },
      gasWallet: { enough: true },
    });
    expect((await alice.call("/readyz")).body).toEqual({ status: "ready", reasons: [] });
  });

  it("refuses to be reached from elsewhere in the clear before it does anything", async () => {
    const node = await world.options();
    await expect(
      startDaemon({ node, api: { host: "0.0.0.0", port: 0 }, version: "1" }),
    ).rejects.toMatchObject({
      code: "remote_refused",
    });
    await expect(stat(join(node.directory, "..", "admin.token"))).rejects.toThrow();
  });

  it("stops its node when its port is taken", async () => {
    const node = await world.options();
    const port = Number(new URL(alice.daemon.url).port);
    const starting = startDaemon({ node, api: { port }, version: "1" });
    await expect(starting).rejects.toMatchObject({ code: "address_in_use" });
    // The database is free again.
    await (await startDaemon({ node, api: { port: 0 }, version: "1" })).stop();
  });

  it("tells a token by its contract", async () => {
    const { body } = await alice.call(`/v1/tokens/${world.tokenAddress.toUpperCase().replace("0X", "0x")}`);
    expect(body).toMatchObject({
      token: world.tokenAddress,
      decimals: expect.any(Number),
      balance: expect.any(String),
    });
  });

  it("quotes what opening would cost", async () => {
    const { status, body } = await alice.call("/v1/quotes", {
      body: { kind: "open", token: world.tokenAddress, amount: "1000" },
    });
    expect(status).toBe(200);
    expect(body.transactions.map(({ name }: { name: string }) => name)).toEqual(["approve", "deposit"]);
    expect(BigInt(body.cost)).toBeGreaterThan(0n);
    expect(body).toMatchObject({ affordable: true, missing: { native: "0", token: "0" } });
    const more = await alice.call("/v1/quotes", {
      body: { kind: "open", token: world.tokenAddress, amount: `${TOKENS + 5n}` },
    });
    const missing = { native: "0", token: "5" };
    expect(more.body).toMatchObject({ affordable: false, missing, token: world.tokenAddress });
  });
});

describe.each([
  ["native coin", () => ZERO_ADDRESS],
  ["an ERC-20", () => world.tokenAddress],
])("a channel in %s through the API", (_name, tokenOf) => {
  let channelId: string;

  it("is opened, and the same key again is the same operation", async () => {
    channelId = await openThroughApi(alice, bob, {
      token: tokenOf(),
      deposit: DEPOSIT,
      key: `open ${tokenOf()}`,
    });
    const body = {
      peer: bob.daemon.node.addresses[0]!,
      token: tokenOf(),
      deposit: `${DEPOSIT}`,
      requestDeposit: `${DEPOSIT}`,
      challengePeriod: 600,
    };
    const again = await alice.call("/v1/channels", { body, key: `open ${tokenOf()}` });
    expect(again.body).toMatchObject({ state: "succeeded", kind: "open", channelId, amount: `${DEPOSIT}` });
    const other = await alice.call("/v1/channels", {
      body: { ...body, deposit: "7" },
      key: `open ${tokenOf()}`,
    });
    expect(other.problem).toMatchObject({ status: 409, code: "idempotency_conflict" });
    const { body: channel } = await alice.call(`/v1/channels/${channelId}`);
    expect(channel).toMatchObject({
      peer: bob.daemon.node.signer,
      token: tokenOf(),
      phase: "open",
      connected: true,
      sendCapacity: `${DEPOSIT}`,
      receiveCapacity: `${DEPOSIT}`,
      challengePeriod: 600,
    });
  });

  it("pays by channel and by peer, once per key", async () => {
    const pay = (body: object, key: string) => alice.call("/v1/payments", { body, key });
    const first = await pay({ channelId, amount: "5", label: "coffee" }, `a ${tokenOf()}`);
    expect(first).toMatchObject({ status: 200, body: { channelId, amount: "5", token: tokenOf() } });
    expect(await pay({ channelId, amount: "5", label: "coffee" }, `a ${tokenOf()}`)).toEqual(first);
    const to = { peer: bob.daemon.node.signer, token: tokenOf() };
    const second = await pay({ ...to, amount: "7" }, `b ${tokenOf()}`);
    expect(second.body).toMatchObject({ channelId, amount: "7", ...to });
    const many = await Promise.all(
      Array.from({ length: 10 }, () => pay({ ...to, amount: "7" }, `c ${tokenOf()}`)),
    );
    expect(new Set(many.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const { body: channel } = await alice.call(`/v1/channels/${channelId}`);
    expect(channel.sent).toBe("19");
  });

  it.each([
    ["another amount", (body: object) => ({ ...body, amount: "6" })],
    ["another label", (body: object) => ({ ...body, label: "tea" })],
    ["another reference", (body: object) => ({ ...body, reference: `0x${"11".repeat(32)}` })],
    ["another channel", (body: object) => ({ ...body, channelId: `0x${"11".repeat(32)}` })],
  ])("refuses a key that is used again for %s", async (_what, change) => {
    const body = change({ channelId, amount: "5", label: "coffee" });
    const told = await alice.call("/v1/payments", { body, key: `a ${tokenOf()}` });
    expect(told.problem).toMatchObject({ status: 409, code: "idempotency_conflict", moneyAtStake: false });
  });

  it("refuses what it cannot carry, and says so", async () => {
    const body = { channelId, amount: `${DEPOSIT * 2n}` };
    const told = await alice.call("/v1/payments", { body, key: `too much ${tokenOf()}` });
    expect(told.problem).toMatchObject({ status: 409, code: "insufficient_capacity", moneyAtStake: false });
    const to = { peer: bob.daemon.node.signer, token: tokenOf(), amount: `${DEPOSIT * 2n}` };
    const byPeer = await alice.call("/v1/payments", { body: to, key: `too much by peer ${tokenOf()}` });
    expect(byPeer.problem.code).toBe("insufficient_capacity");
  });

  it("is deposited into, withdrawn from and closed, each once per key", async () => {
    const ask = (what: string, body: object) =>
      alice.call(`/v1/channels/${channelId}/${what}`, { body, key: `${what} ${tokenOf()}` });
    const deposits = await Promise.all([
      ask("deposit", { amount: "1000" }),
      ask("deposit", { amount: "1000" }),
    ]);
    expect(deposits[0]!.body.operationId).toBe(deposits[1]!.body.operationId);
    await finished(alice, deposits[0]!.body.operationId);
    const { body: deeper } = await alice.call(`/v1/channels/${channelId}`);
    expect(deeper.deposits.ours).toBe(`${DEPOSIT + 1000n}`);
    const before = await world.balance(tokenOf(), alice.daemon.node.account);
    // Of many that come together under keys of their own one is begun.
    const withdraw = (at: number) =>
      alice.call(`/v1/channels/${channelId}/withdraw`, {
        body: { amount: "500" },
        key: `withdraw ${at} ${tokenOf()}`,
      });
    const together = await Promise.all(Array.from({ length: 8 }, (_, at) => withdraw(at)));
    const begun = together.findIndex(({ status }) => status === 202);
    for (const [at, { problem }] of together.entries()) {
      if (at !== begun) expect(problem).toMatchObject({ code: "operation_running" });
    }
    const { operationId } = together[begun]!.body;
    await finished(alice, operationId);
    expect((await withdraw(begun)).body).toMatchObject({ operationId, state: "succeeded" });
    if (tokenOf() !== ZERO_ADDRESS) {
      expect((await world.balance(tokenOf(), alice.daemon.node.account)) - before).toBe(500n);
    }
    const closing = await ask("close", {});
    expect(closing.status).toBe(202);
    await finished(alice, closing.body.operationId);
    const { body: closed } = await alice.call(`/v1/channels/${channelId}`);
    expect(closed).toMatchObject({
      phase: "settled",
      paidOut: { ours: `${DEPOSIT + 1000n - 500n - 19n}`, theirs: `${DEPOSIT + 19n}` },
    });
  });
});

describe("lists", () => {
  it("of channels go page by page, by id, with filters", async () => {
    for (let i = 0; i < 3; i++) await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: 1000n });
    const all = (await alice.call("/v1/channels")).body.items.map(
      ({ channelId }: { channelId: string }) => channelId,
    );
    expect(all).toHaveLength(5);
    expect([...all].sort()).toEqual(all);
    const paged: string[] = [];
    for (let cursor = ""; ; ) {
      const { body } = await alice.call(`/v1/channels?limit=2${cursor && `&cursor=${cursor}`}`);
      paged.push(...body.items.map(({ channelId }: { channelId: string }) => channelId));
      if (body.next === undefined) break;
      cursor = body.next;
    }
    expect(paged).toEqual(all);
    const count = async (filter: string) => (await alice.call(`/v1/channels?${filter}`)).body.items.length;
    expect(await count("phase=settled")).toBe(2);
    expect(await count(`token=${world.tokenAddress}`)).toBe(1);
    expect(await count(`peer=${bob.daemon.node.signer}&phase=open`)).toBe(3);
    expect(await count(`peer=${alice.daemon.node.signer}`)).toBe(0);
    expect((await alice.call("/v1/channels?cursor=nonsense")).problem.code).toBe("cursor_invalid");
    const status = await until(
      () => alice.call("/v1/node"),
      ({ body }) => body.channels.total === 5,
    );
    expect(status.body.channels).toEqual({ total: 5, open: 3, opening: 0, closing: 0, settled: 2 });
  });

  it("of operations are newest first", async () => {
    const { body } = await alice.call("/v1/operations?limit=3");
    expect(body.items.map(({ kind, state }: { kind: string; state: string }) => [kind, state])).toEqual([
      ["open", "succeeded"],
      ["open", "succeeded"],
      ["open", "succeeded"],
    ]);
    const { body: rest } = await alice.call(`/v1/operations?cursor=${body.next}`);
    expect(rest.items[0]).toMatchObject({ kind: "close", state: "succeeded" });
    expect((await alice.call("/v1/operations?state=failed")).body.items).toEqual([]);
    expect((await alice.call("/v1/operations/nothing")).problem).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });
});

describe("peers", () => {
  it("are connected to, kept over restarts, and let go", async () => {
    const carol = await world.daemon();
    const address = bob.daemon.node.addresses[0]!;
    const { status, body } = await carol.call("/v1/peers", { body: { address } });
    expect([status, body.signer, body.kept, body.connected]).toEqual([
      200,
      bob.daemon.node.signer,
      true,
      true,
    ]);
    await carol.restart();
    const { body: peers } = await until(
      () => carol.call("/v1/peers"),
      ({ body: list }) => list.items[0].connected,
    );
    expect(peers.items).toMatchObject([{ signer: bob.daemon.node.signer, addresses: [address], kept: true }]);
    const path = `/v1/peers/${bob.daemon.node.signer}`;
    expect((await carol.call(path, { method: "DELETE" })).status).toBe(204);
    await until(
      () => carol.call("/v1/peers"),
      ({ body: list }) => list.items.length === 0,
    );
    expect((await carol.call(path, { method: "DELETE" })).problem.code).toBe("not_found");
    const nobody = address.replace(/\/tcp\/\d+/, "/tcp/1");
    expect((await carol.call("/v1/peers", { body: { address: nobody } })).problem.code).toBe("dial_failed");
  });
});

describe("stopping", () => {
  it("by call ends node and API, and says so first", async () => {
    const dora = await world.daemon();
    expect(await dora.call("/v1/node/stop", { method: "POST" })).toMatchObject({
      status: 202,
      body: { stopping: true },
    });
    await dora.daemon.ended;
    expect(dora.daemon.node.stopping.aborted).toBe(true);
    await expect(dora.call("/healthz")).rejects.toThrow();
  });
});

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Daemon, startDaemon } from "../../src/api/daemon.ts";
import { restoreBackup } from "../../src/node/index.ts";
import { type Address, type ChannelId, fromHex, type Hex, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { channelKey, KEYSPACE, prefixRange, recordKey } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import type { Op } from "../../src/store/store.ts";
import {
  callDaemon,
  type DaemonWorld,
  finished,
  openDaemons,
  openThroughApi,
  type TestDaemon,
  until,
} from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;
const TO = `0x${"7".repeat(40)}` as Address;
let world: DaemonWorld;

beforeAll(async () => {
  world = await openDaemons();
}, 60_000);
afterEach(() => mining(true));
afterAll(() => world?.stop());

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);

/** The whole of it, before anything goes on. */
async function backupOf({ node }: Daemon): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of node.backup.stream({ password: "of the file" })) pieces.push(piece);
  return pieces;
}

async function* streamed(pieces: readonly Uint8Array[]) {
  yield* pieces;
}

/** The node again as it was in a backup. */
async function restored({ options }: TestDaemon, pieces: readonly Uint8Array[]): Promise<Daemon> {
  const file = streamed(pieces);
  const directory = join(options.directory, "..", "restored", "database");
  await restoreBackup({ file, password: "of the file", directory, oldNodeIsGone: true });
  return startDaemon({ node: { ...options, directory }, api: { port: 0 }, version: "1.2.3" });
}

it("what a backup shows under way, and the old machine has done since, is not done again", async () => {
  const [alice, bob, carol] = [await world.daemon(), await world.daemon(), await world.daemon()];
  const channelId = await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT });
  const calls = {
    deposit: [`/v1/channels/${channelId}/deposit`, { amount: "77" }],
    open: [
      "/v1/channels",
      {
        peer: carol.daemon.node.addresses[0],
        token: ZERO_ADDRESS,
        deposit: `${DEPOSIT}`,
        challengePeriod: 600,
      },
    ],
    first: ["/v1/wallet/send", { to: TO, token: ZERO_ADDRESS, amount: "5" }],
    second: ["/v1/wallet/send", { to: TO, token: ZERO_ADDRESS, amount: "6" }],
  } as const;
  type Name = keyof typeof calls;
  const call = (daemon: Daemon, name: Name) =>
    callDaemon(daemon, calls[name][0], { body: calls[name][1], key: name });
  await mining(false);
  const ids: Partial<Record<Name, string>> = {};
  const isUnderWay = (progress: { step: string; transaction?: string }) =>
    progress?.transaction !== undefined || progress?.step === "queued";
  for (const name of Object.keys(calls) as Name[]) {
    ids[name] = (await call(alice.daemon, name)).body.operationId;
    await until(
      () => alice.call(`/v1/operations/${ids[name]}`),
      ({ body }) => isUnderWay(body.progress),
    );
  }
  const pieces = await backupOf(alice.daemon);
  await mining(true);
  await world.pass(1);
  for (const id of Object.values(ids)) await finished(alice, id);
  const account = alice.daemon.node.account;
  await alice.daemon.stop();
  const before = await world.balance(ZERO_ADDRESS, account);

  const daemon = await restored(alice, pieces);
  await callDaemon(daemon, "/v1/unfreeze", { method: "POST" });
  for (const name of Object.keys(calls) as Name[]) {
    expect((await call(daemon, name)).body.operationId).toBe(ids[name]);
    const { body } = await until(
      () => callDaemon(daemon, `/v1/operations/${ids[name]}`),
      ({ body: operation }) => operation.state !== "running",
    );
    expect(body).toMatchObject({
      state: "failed",
      problem: { code: "operation_uncertain", moneyAtStake: true },
    });
  }
  expect(await world.balance(ZERO_ADDRESS, TO)).toBe(11n);
  expect(await world.balance(ZERO_ADDRESS, account)).toBe(before);
  // What is asked for since is certain.
  const again = await callDaemon(daemon, "/v1/wallet/send", {
    body: { to: TO, token: ZERO_ADDRESS, amount: "1" },
    key: "new",
  });
  await until(
    () => callDaemon(daemon, `/v1/operations/${again.body.operationId}`),
    ({ body }) => body.state === "succeeded",
  );
  await daemon.stop();
}, 60_000);

it("secrets with admin open nothing after a restore: one that was revoked since would thaw and send", async () => {
  const alice = await world.daemon();
  const make = async (token: string, scope: string) => {
    const { body } = await alice.call("/v1/access-tokens", { body: { name: scope, scopes: [scope] }, token });
    return body as { id: string; secret: string };
  };
  const owners = alice.daemon.adminToken;
  const stolen = await make(owners, "admin");
  const reader = await make(stolen.secret, "read");
  const pieces = await backupOf(alice.daemon);
  await alice.call(`/v1/access-tokens/${stolen.id}`, { method: "DELETE" });
  await alice.daemon.stop();

  const daemon = await restored(alice, pieces);
  const statusFor = async (path: string, token: string, method = "POST") =>
    (await callDaemon(daemon, path, { method, token })).status;
  expect(daemon.node.spending.frozen?.reason).toContain("restored");
  for (const secret of [stolen.secret, owners]) expect(await statusFor("/v1/unfreeze", secret)).toBe(401);
  // What was made from it goes on, and is the owner's to end.
  expect(await statusFor("/v1/node", reader.secret, "GET")).toBe(200);
  expect(await statusFor(`/v1/access-tokens/${stolen.id}`, daemon.adminToken, "DELETE")).toBe(204);
  expect(await statusFor("/v1/node", reader.secret, "GET")).toBe(401);
  const { body } = await callDaemon(daemon, "/v1/access-tokens");
  expect(body.items.map(({ name }: { name: string }) => name).sort()).toEqual(["admin", "admin", "read"]);
  expect(await statusFor("/v1/unfreeze", daemon.adminToken)).toBe(204);
  await daemon.stop();
}, 60_000);

it.each(["the key", "the key and the channel"])(
  "what is paid under a key is paid once though a disk lost %s, and another channel could pay more",
  async (lost) => {
    const [alice, bob] = [await world.daemon(), await world.daemon()];
    const open = (deposit: bigint) => openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit });
    const first = await open(DEPOSIT);
    const peer = bob.daemon.node.signer;
    const pay = (amount = "6") =>
      alice.call("/v1/payments", { body: { peer, token: ZERO_ADDRESS, amount }, key: "once" });
    const paid = await pay();
    expect(paid.body).toMatchObject({ channelId: first });
    const larger = await open(DEPOSIT * 2n);
    await alice.daemon.stop();
    const store = await openLevelStore(join(alice.options.directory, "level"));
    const gone: Op[] = [];
    for (const range of [
      prefixRange(recordKey("payment-key", "")),
      prefixRange(Uint8Array.of(KEYSPACE.payment)),
    ]) {
      for await (const [key] of store.range(range)) gone.push({ type: "del", key });
    }
    expect(gone).toHaveLength(2);
    // Its payments come back from the peer, while the other channel is soon whole.
    if (lost.includes("channel")) gone.push({ type: "del", key: channelKey(fromHex(first as Hex)) });
    await store.write(gone, { sync: true });
    await store.close();
    await rm(join(alice.options.directory, "mark"));
    await alice.restart();
    const { node } = alice.daemon;
    await until(
      async () => node.spending.frozen?.reason ?? "",
      (reason) => reason.includes("lost data"),
    );
    expect((await pay()).problem.code).toBe("spending_frozen");
    await node.spending.unfreeze();
    // Asked for while nobody knows yet what the peer holds: it waits.
    const waiting = pay();
    await until(
      () => alice.call("/v1/recovery"),
      ({ body }) => body.recovery?.channels.length === 2,
    );
    await world.pass(3_700);
    await until(
      async () => node.addresses.length,
      (count) => count > 0,
    );
    await node.connect(bob.daemon.node.addresses[0]!);
    for (const again of [await waiting, await pay()]) expect(again.body).toEqual(paid.body);
    expect((await pay("7")).problem.code).toBe("payment_conflict");
    expect((await bob.daemon.node.channel(larger as ChannelId)).received).toBe(0n);
  },
  60_000,
);

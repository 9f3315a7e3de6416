import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDaemon } from "../../src/api/daemon.ts";
import type { NodeOptions } from "../../src/node/index.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { FaultProxy } from "../chain/support/faultProxy.ts";
import {
  callDaemon,
  type DaemonWorld,
  openDaemons,
  openThroughApi,
  type TestDaemon,
  until,
} from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;
const HOUR = 3_600;
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;
let server: FaultProxy;
let channelId: string;
/** Seconds that Alice's clock is ahead of the right time. */
let wrong = 0;
let paid = 0;
let over = false;
/** Blocks come by themselves, in real time. */
let mining = true;

beforeAll(async () => {
  world = await openDaemons();
  server = await new FaultProxy(world.chain.url).start();
  const node = await world.options({ rpcUrl: server.url, staleAfter: 600 });
  const now = () => Date.now() / 1000 + wrong;
  const daemon = await startDaemon({ node, api: { port: 0 }, version: "1.2.3" }, { now });
  alice = {
    options: node,
    daemon,
    call: (path, options) => callDaemon(daemon, path, options),
    restart: () => Promise.reject(new Error("not here")),
  };
  await world.fund(daemon.node.account);
  bob = await world.daemon();
  channelId = await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT });
  void (async () => {
    for (; !over; await new Promise((resolve) => setTimeout(resolve, 1_000))) {
      if (mining) await world.chain.provider.send("evm_mine", []).catch(() => {});
    }
  })();
}, 120_000);

afterAll(async () => {
  over = true;
  await alice?.daemon.stop();
  await DaemonProcess.endAll();
  await server?.stop();
  await world?.stop();
});

const pay = (key: string) => alice.call("/v1/payments", { body: { channelId, amount: "1" }, key });

/** Pays once the day is over, with a key that was refused on it. */
async function payAtLast(key: string): Promise<void> {
  await until(
    () => pay(key),
    ({ status }) => status === 200,
  );
  expect((await pay(key)).status).toBe(200);
  paid++;
  const [{ body: ours }, { body: theirs }] = await Promise.all([
    alice.call(`/v1/channels/${channelId}`),
    bob.call(`/v1/channels/${channelId}`),
  ]);
  expect([ours.sent, theirs.received]).toEqual([`${paid}`, `${paid}`]);
}

async function rivulet(...args: string[]): Promise<{ out: string; code: number }> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      PATH: process.env.PATH,
      RIVULET_URL: alice.daemon.url,
      RIVULET_TOKEN: alice.daemon.adminToken,
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, , [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { out, code };
}

describe("a clock that is an hour wrong", () => {
  it.each([
    ["behind", -HOUR],
    ["ahead", HOUR],
  ])(
    "%s refuses payments in words and makes them once it is right",
    async (_, seconds) => {
      const key = `clock ${seconds}`;
      wrong = seconds;
      const { problem } = await until(
        () => pay(key),
        ({ problem: { code } }) => code === "clock_skew",
      );
      expect(problem).toMatchObject({
        status: 503,
        moneyAtStake: false,
        detail: expect.stringMatching(/skew/),
      });
      expect((await fetch(`${alice.daemon.url}/readyz`)).status).toBe(503);
      wrong = 0;
      await payAtLast(key);
      expect((await fetch(`${alice.daemon.url}/readyz`)).status).toBe(200);
    },
    30_000,
  );
});

describe("a chain's server that fails for an hour", () => {
  it("leaves the API and the command line answering, refuses payments in words, and loses nothing", async () => {
    server.rules = [({ id }) => (id % 2 === 0 ? { kind: "status", status: 503 } : { kind: "cut" })];
    await until(
      () => alice.call("/v1/node"),
      ({ body }) => body.chain.failure === "rpc_down",
    );
    mining = false;
    wrong = HOUR;
    // Here only one of the machine's two clocks moved on, which is a wrong clock, too.
    const { problem } = await until(
      () => pay("outage"),
      ({ problem: { code } }) => code === "chain_stale" || code === "clock_skew",
    );
    expect(problem).toMatchObject({ status: 503, moneyAtStake: false });
    const ready = await fetch(`${alice.daemon.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { reasons: expect.arrayContaining(["chain_stale", "rpc_down"]) },
    ]);
    const deposit = { body: { amount: "5" }, key: "deposit in an outage" };
    const begun = await alice.call(`/v1/channels/${channelId}/deposit`, deposit);
    expect(begun.status).toBe(202);
    const { out, code } = await rivulet("channels");
    expect([code, out]).toEqual([0, expect.stringMatching(/base units|ETH/)]);
    server.rules = [];
    wrong = 0;
    mining = true;
    await payAtLast("outage");
    await until(
      () => alice.call(`/v1/operations/${begun.body.operationId}`),
      ({ body }) => body.state !== "running",
    );
    const again = await alice.call(`/v1/channels/${channelId}/deposit`, deposit);
    const succeeded = again.body.state === "succeeded";
    const { deposits } = (await alice.call(`/v1/channels/${channelId}`)).body;
    expect(deposits.ours).toBe(`${DEPOSIT + (succeeded ? 5n : 0n)}`);
  }, 120_000);
});

describe("a server of another chain", () => {
  it("keeps the node from starting, with a code, and leaves its database free", async () => {
    const node: NodeOptions = { ...(await world.options()), chainId: 1n };
    const wrongly = startDaemon({ node, api: { port: 0 }, version: "1" });
    await expect(wrongly).rejects.toMatchObject({ failure: { code: "wrong_chain", expected: 1n } });
    const again = startDaemon({ node, api: { port: 0 }, version: "1" });
    await expect(again).rejects.toMatchObject({ failure: { code: "wrong_chain" } });
  });
});

describe("a token that stops telling anything of itself", () => {
  it("hides no other channel and no other amount from the command line", async () => {
    await openThroughApi(alice, bob, { token: world.tokenAddress, deposit: DEPOSIT });
    const code = await world.chain.provider.getCode(world.tokenAddress);
    // Whatever is asked of it reverts.
    await world.chain.provider.send("anvil_setCode", [world.tokenAddress, "0x5f5ffd"]);
    const told = await alice.call(`/v1/tokens/${world.tokenAddress}`);
    expect(told.problem).toMatchObject({ code: "token_unusable", moneyAtStake: false });
    const listed = await rivulet("channels");
    expect(listed.code).toBe(0);
    expect(listed.out).toMatch(`${DEPOSIT} base units of ${world.tokenAddress}`);
    expect(listed.out).toMatch(/0\.00\d+ ETH/);
    const sent = await rivulet("pay", bob.daemon.node.signer, "0.000000000000000001 ETH", "--yes");
    expect(sent.code).toBe(0);
    paid++;
    // What it takes to read an amount is never guessed.
    const guessed = await rivulet("pay", bob.daemon.node.signer, `1 ${world.tokenAddress}`, "--yes");
    expect(guessed.code).not.toBe(0);
    await world.chain.provider.send("anvil_setCode", [world.tokenAddress, code]);
  }, 120_000);
});

describe("a second daemon over the same database", () => {
  it("is refused while the first runs and goes on, and not by the lock of one that was killed", async () => {
    const options = await world.options();
    const first = await DaemonProcess.start(options);
    const second = startDaemon({ node: options, api: { port: 0 }, version: "1" });
    await expect(second).rejects.toMatchObject({ code: "database_locked" });
    expect((await first.call("/v1/node")).status).toBe(200);
    await first.end("SIGKILL");
    const third = await startDaemon({ node: options, api: { port: 0 }, version: "1" });
    expect(third.node.account).toBe(first.place.account);
    await third.stop();
  }, 120_000);
});

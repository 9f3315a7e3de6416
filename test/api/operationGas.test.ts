import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import {
  type DaemonWorld,
  finished,
  openDaemons,
  openThroughApi,
  type TestDaemon,
  until,
} from "./support/daemons.ts";

const DEPOSIT = 10n ** 15n;
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

let world: DaemonWorld;
let alice: TestDaemon;
let bob: TestDaemon;
let carol: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  [alice, bob, carol] = [await world.daemon(), await world.daemon(), await world.daemon()];
}, 120_000);
afterAll(() => world?.stop());

/** In the native coin: channels here are in a token, so that only gas moves it. */
const balance = ({ daemon }: TestDaemon) => world.balance(ZERO_ADDRESS, daemon.node.account);

const costOf = ({ gasCost = "0" }: { gasCost?: string }) => BigInt(gasCost);

async function operationOf(daemon: TestDaemon, kind: string) {
  const { body } = await daemon.call("/v1/operations?limit=50");
  return body.items.find((one: { kind: string }) => one.kind === kind);
}

async function begin(daemon: TestDaemon, channelId: string, what: string, body: object): Promise<string> {
  const begun = await daemon.call(`/v1/channels/${channelId}/${what}`, { body, key: crypto.randomUUID() });
  expect(begun.status).toBe(202);
  return begun.body.operationId;
}

describe("what an operation's transactions cost", () => {
  it("is told to the wei, for every kind of operation, over a restart too", async () => {
    let before = await balance(alice);
    const channelId = await openThroughApi(alice, bob, { token: world.tokenAddress, deposit: DEPOSIT });
    const spent = async () => {
      const now = await balance(alice);
      const wei = before - now;
      before = now;
      return wei;
    };
    const opened = await operationOf(alice, "open");
    // An approval and a deposit.
    expect(Number(opened.gasUsed)).toBeGreaterThan(80_000);
    expect(costOf(opened)).toBe(await spent());

    const deposited = await finished(alice, await begin(alice, channelId, "deposit", { amount: "1000" }));
    expect(costOf(deposited)).toBe(await spent());

    const withdrawal = await begin(alice, channelId, "withdraw", { amount: "500" });
    await finished(alice, withdrawal);
    // It counts once it is mined, and costs once it is confirmed.
    const paid = await until(
      () => alice.call(`/v1/operations/${withdrawal}`),
      ({ body }) => body.gasUsed !== undefined,
    );
    expect(costOf(paid.body)).toBe(await spent());

    const closing = await begin(alice, channelId, "close", { mode: "unilateral" });
    await until(
      () => alice.call(`/v1/operations/${closing}`),
      ({ body }) => body.gasUsed !== undefined,
    );
    await world.pass(700);
    await finished(alice, closing);
    const whole = await until(
      async () => [(await alice.call(`/v1/operations/${closing}`)).body, await balance(alice)] as const,
      ([operation, now]) => costOf(operation) === before - now,
    );
    expect(costOf(whole[0])).toBeGreaterThan(0n);

    const told = (await alice.call("/v1/operations?limit=50")).body.items;
    await alice.restart();
    expect((await alice.call("/v1/operations?limit=50")).body.items).toEqual(told);
  }, 120_000);

  it("is counted once where deposits share an approval, and is not ours where the peer paid", async () => {
    const channels = [
      await openThroughApi(alice, bob, { token: world.tokenAddress, deposit: DEPOSIT }),
      await openThroughApi(alice, carol, { token: world.tokenAddress, deposit: DEPOSIT }),
    ];
    const before = await balance(alice);
    const ids = await Promise.all(channels.map((one) => begin(alice, one, "deposit", { amount: "1000" })));
    const over = await Promise.all(ids.map((id) => finished(alice, id)));
    expect(costOf(over[0]) + costOf(over[1])).toBe(before - (await balance(alice)));
    const theirs = await begin(bob, channels[0]!, "deposit", { amount: "7" });
    expect(costOf(await finished(bob, theirs))).toBeGreaterThan(0n);
    const ours = await Promise.all(ids.map((id) => alice.call(`/v1/operations/${id}`)));
    expect(ours.map(({ body }) => body.gasCost)).toEqual(over.map(({ gasCost }) => gasCost));
  }, 120_000);

  it("is in the command line's last word and in its list", async () => {
    const channelId = await openThroughApi(alice, bob, { token: world.tokenAddress, deposit: DEPOSIT });
    const { url, adminToken } = alice.daemon;
    const rivulet = async (...args: string[]) => {
      const child = spawn(process.execPath, [MAIN, ...args], {
        env: { PATH: process.env.PATH, RIVULET_URL: url, RIVULET_TOKEN: adminToken, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [printed] = await Promise.all([text(child.stdout), once(child, "close")]);
      return printed;
    };
    const amount = `0.001 ${(await alice.call(`/v1/tokens/${world.tokenAddress}`)).body.symbol}`;
    const last = await rivulet("deposit", channelId, amount, "--yes");
    const { gasUsed } = await operationOf(alice, "deposit");
    expect(last).toMatch(new RegExp(`^deposit: succeeded; gas ${gasUsed}: 0\\.000\\d+ ETH$`, "m"));
    expect(await rivulet("operations")).toMatch(new RegExp(`gas ${gasUsed}: 0\\.000\\d+ ETH`));
  }, 120_000);
});

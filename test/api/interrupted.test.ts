import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { freePort } from "../support/freePort.ts";
import { type DaemonWorld, openDaemons, openThroughApi, type TestDaemon, until } from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;

let world: DaemonWorld;
let bob: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  bob = await world.daemon();
}, 60_000);
afterEach(() => mining(true));
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);
const mine = () => world.chain.provider.send("evm_mine", []);

/** What alice's channels hold on chain, and what her account still has of the token. */
async function moneyOf(daemon: DaemonProcess) {
  const { body } = await daemon.call("/v1/channels");
  const channels = body.items as { channelId: string; phase: string; deposits: { ours: string } }[];
  return { channels, balance: await world.balance(world.tokenAddress, daemon.place.account) };
}

async function opening(step: string, signal: "SIGTERM" | "SIGKILL") {
  const options = await world.options();
  const first = await DaemonProcess.start(options);
  await world.fund(first.place.account);
  const before = await world.balance(world.tokenAddress, first.place.account);
  const body = {
    peer: bob.daemon.node.addresses[0]!,
    token: world.tokenAddress,
    deposit: `${DEPOSIT}`,
    challengePeriod: 600,
  };
  await mining(false);
  const { body: begun } = await first.call("/v1/channels", { body, key: "one channel" });
  await until(
    async () => {
      const { progress } = (await first.call(`/v1/operations/${begun.operationId}`)).body;
      // The deposit is only sent once the approval is mined.
      if (progress?.step === "approve" && step === "deposit") await mine();
      return progress;
    },
    (progress) => progress?.step === step && progress.transaction !== undefined,
  );
  await first.end(signal);
  const second = await DaemonProcess.start(options);
  // Before anything is mined, the same key is the same operation, and another content is refused.
  const { body: again } = await second.call("/v1/channels", { body, key: "one channel" });
  expect(again).toMatchObject({ operationId: begun.operationId, state: "running" });
  const other = await second.call("/v1/channels", { body: { ...body, deposit: "1" }, key: "one channel" });
  expect(other.problem.code).toBe("idempotency_conflict");
  await mining(true);
  await mine();
  const { body: over } = await until(
    () => second.call(`/v1/operations/${begun.operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  expect(over).toMatchObject({ state: "succeeded" });
  const { channels, balance } = await moneyOf(second);
  expect(channels).toMatchObject([
    { channelId: over.channelId, phase: "open", deposits: { ours: `${DEPOSIT}` } },
  ]);
  expect(before - balance).toBe(DEPOSIT);
  await second.end("SIGTERM");
}

describe("a daemon that is ended in the middle of an opening", () => {
  it.each([
    ["approve", "SIGTERM"],
    ["deposit", "SIGTERM"],
    ["approve", "SIGKILL"],
    ["deposit", "SIGKILL"],
  ] as const)(
    "while it waits for the %s transaction, by %s, opens one channel and deposits once",
    opening,
    120_000,
  );
});

describe("a payment that is retried with the same key during a restart", () => {
  it("is made once", async () => {
    const alice = await world.daemon();
    const channelId = await openThroughApi(alice, bob, { token: ZERO_ADDRESS, deposit: DEPOSIT });
    const order = { body: { peer: bob.daemon.node.signer, token: ZERO_ADDRESS, amount: "11" }, key: "once" };
    const answers: number[] = [];
    let isOver = false;
    const retrying = (async () => {
      while (!isOver) {
        const status = await alice.call("/v1/payments", order).then(
          (told) => told.status,
          () => 0,
        );
        answers.push(status);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await until(async () => answers.includes(200), Boolean);
    await alice.restart();
    answers.length = 0;
    await until(async () => answers.includes(200), Boolean);
    isOver = true;
    await retrying;
    expect((await alice.call(`/v1/channels/${channelId}`)).body.sent).toBe("11");
  });
});

describe("a payment while the peer is away", () => {
  it("waits, says that nothing was sent, and is made once with the same key later", async () => {
    const alice = await world.daemon({ limits: { payMs: 300 } });
    const dora = await world.daemon({}, { listen: [`/ip4/127.0.0.1/tcp/${await freePort()}`] });
    const channelId = await openThroughApi(alice, dora, { token: ZERO_ADDRESS, deposit: DEPOSIT });
    await dora.daemon.stop();
    await until(
      () => alice.call(`/v1/channels/${channelId}`),
      ({ body }) => !body.connected,
    );
    const byChannel = { body: { channelId, amount: "3" }, key: "by channel" };
    const byPeer = {
      body: { peer: dora.daemon.node.signer, token: ZERO_ADDRESS, amount: "4" },
      key: "by peer",
    };
    for (const order of [byChannel, byPeer]) {
      const { problem } = await alice.call("/v1/payments", order);
      expect(problem).toMatchObject({ status: 504, code: "peer_away", moneyAtStake: false });
    }
    await dora.restart();
    for (const order of [byChannel, byPeer, byChannel, byPeer]) {
      const { body } = await until(
        () => alice.call("/v1/payments", order),
        ({ status }) => status === 200,
      );
      expect(body.amount).toBe(order.body.amount);
    }
    expect((await alice.call(`/v1/channels/${channelId}`)).body.sent).toBe("7");
  });
});

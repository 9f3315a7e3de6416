import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NodeOptions } from "../../src/node/index.ts";
import type { Address } from "../../src/protocol/index.ts";
import {
  type CallOptions,
  type DaemonWorld,
  openDaemons,
  type TestDaemon,
  until,
} from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;
const AMOUNT = 1_000n;
const CONFIRMATIONS = 3;

type Point = "accepted" | "signed" | "sent" | "mined";
type Kind = "deposit" | "withdraw" | "close";

let world: DaemonWorld;
let bob: TestDaemon;
let options: NodeOptions;
let alice: DaemonProcess;

beforeAll(async () => {
  world = await openDaemons();
  bob = await world.daemon();
  options = await world.options({ confirmations: CONFIRMATIONS });
  alice = await DaemonProcess.start(options);
  await world.fund(alice.place.account);
}, 120_000);
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);
const mine = () => world.chain.provider.send("evm_mine", []);

/** Asks until `done`, with a block before each time. */
function untilMined<Value>(ask: () => Promise<Value>, done: (value: Value) => boolean): Promise<Value> {
  return until(async () => {
    await mine();
    return ask();
  }, done);
}

/** Begins `order` under one key, kills the node at `point`, and takes it up again with the same key. */
async function killedAt(point: Point, path: string, order: CallOptions): Promise<void> {
  await mining(false);
  const begun = await alice.call(path, order);
  expect(begun.status).toBe(202);
  const { operationId } = begun.body;
  const look = async () => (await alice.call(`/v1/operations/${operationId}`)).body;
  await until(
    async () => {
      const { state, progress } = await look();
      // A withdrawal is over with the block that holds it.
      if (state === "succeeded" && point === "mined") return "over";
      expect(state).toBe("running");
      // Blocks only as far as the point needs them: an approval is mined before its deposit is sent.
      const isNear =
        progress?.step === "approve" || (point === "mined" && progress?.transaction !== undefined);
      if (isNear) await mine();
      return progress;
    },
    (progress) => progress === "over" || point === "accepted" || (progress && isPast(point, progress)),
  );
  await alice.end("SIGKILL");
  alice = await DaemonProcess.start(options);
  const again = await alice.call(path, order);
  expect(again.body).toMatchObject({ operationId });
  const over = await untilMined(look, ({ state }) => state !== "running");
  expect(over).toMatchObject({ operationId, state: "succeeded" });
  // And for ever: the same key begins nothing more.
  expect((await alice.call(path, order)).body).toMatchObject({ operationId, state: "succeeded" });
  await mining(true);
}

function isPast(
  point: Point,
  progress: { step: string; transaction?: string; confirmations?: number },
): boolean {
  const { step, transaction, confirmations = 0 } = progress;
  if (step === "approve") return false;
  if (point === "signed") return step !== "starting" && step !== "connecting";
  return point === "sent" ? transaction !== undefined : confirmations >= 1;
}

/** What the chain says of alice's side, and what both nodes say, once they agree. */
async function money(channelId: string) {
  const look = () =>
    Promise.all([alice, bob].map(async (daemon) => (await daemon.call(`/v1/channels/${channelId}`)).body));
  const [ours] = await untilMined(
    look,
    ([{ deposits, withdrawn }, theirs]) =>
      deposits.ours === theirs.deposits.theirs &&
      deposits.theirs === theirs.deposits.ours &&
      withdrawn.ours === theirs.withdrawn.theirs,
  );
  const held = (holder: Address) => world.balance(world.tokenAddress, holder);
  const [wallet, escrow] = [await held(alice.place.account), await held(world.escrowAddress)];
  return {
    wallet,
    escrow,
    deposited: BigInt(ours.deposits.ours),
    withdrawn: BigInt(ours.withdrawn.ours),
    ours,
  };
}

let shared: string | undefined;
/** One channel for all deposits; a second withdrawal would wait until the first one's deadline has passed. */
async function channelFor(kind: Kind): Promise<string> {
  if (kind !== "deposit") return openChannel();
  shared ??= await openChannel();
  return shared;
}

async function openChannel(): Promise<string> {
  const body = {
    peer: bob.daemon.node.addresses[0]!,
    token: world.tokenAddress,
    deposit: `${DEPOSIT}`,
    requestDeposit: `${DEPOSIT}`,
    challengePeriod: 600,
  };
  const { body: begun } = await alice.call("/v1/channels", { body, key: crypto.randomUUID() });
  const { body: over } = await untilMined(
    () => alice.call(`/v1/operations/${begun.operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  const { channelId } = over;
  for (const daemon of [alice, bob]) {
    await untilMined(
      () => daemon.call(`/v1/channels/${channelId}`),
      ({ body: channel }) =>
        channel.connected &&
        channel.deposits.ours === `${DEPOSIT}` &&
        channel.deposits.theirs === `${DEPOSIT}`,
    );
  }
  return channelId;
}

describe.each<[Kind, readonly Point[]]>([
  ["deposit", ["accepted", "sent", "mined"]],
  ["withdraw", ["accepted", "signed", "sent", "mined"]],
  ["close", ["accepted", "signed", "sent", "mined"]],
])("a node that is killed in the middle of a %s", (kind, points) => {
  it.each(points)(
    "when it is %s, moves the money once",
    async (point) => {
      const channelId = await channelFor(kind);
      const before = await money(channelId);
      const body = kind === "close" ? {} : { amount: `${AMOUNT}` };
      await killedAt(point, `/v1/channels/${channelId}/${kind}`, { body, key: `${kind} ${point}` });
      const moved = kind === "close" ? DEPOSIT : kind === "withdraw" ? AMOUNT : -AMOUNT;
      await untilMined(
        () => bob.call(`/v1/channels/${channelId}`),
        ({ body: { deposits, withdrawn, phase } }) =>
          kind === "close"
            ? phase === "settled"
            : [deposits.theirs, withdrawn.theirs].join() !== [before.deposited, before.withdrawn].join(),
      );
      const after = await money(channelId);
      expect(after.wallet - before.wallet).toBe(moved);
      expect(before.escrow - after.escrow).toBe(kind === "close" ? 2n * DEPOSIT : moved);
      if (kind === "deposit") expect(after.deposited - before.deposited).toBe(AMOUNT);
      if (kind === "withdraw") expect(after.withdrawn - before.withdrawn).toBe(AMOUNT);
      if (kind === "close") {
        expect(after.ours).toMatchObject({
          phase: "settled",
          paidOut: { ours: `${DEPOSIT}`, theirs: `${DEPOSIT}` },
        });
      }
    },
    30_000,
  );
});

import { afterAll, beforeAll, expect, it } from "vitest";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type DaemonWorld, openDaemons, type TestDaemon, until } from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;
/** In blocks of 512 bytes: some hundred payments. */
const FILE_BLOCKS = 768;
const AT_ONCE = 8;
const MOST = 20_000;

let world: DaemonWorld;
let bob: TestDaemon;

beforeAll(async () => {
  world = await openDaemons();
  bob = await world.daemon();
}, 120_000);
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

it("a disk that is full ends payments with a code, and each is made once when there is room again", async () => {
  const options = await world.options();
  const roomy = await DaemonProcess.start(options);
  await world.fund(roomy.place.account);
  const body = { peer: bob.daemon.node.addresses[0]!, token: ZERO_ADDRESS, deposit: `${DEPOSIT}` };
  const begun = await roomy.call("/v1/channels", { body, key: "open" });
  const { channelId } = (
    await until(
      () => roomy.call(`/v1/operations/${begun.body.operationId}`),
      ({ body: operation }) => operation.state !== "running",
    )
  ).body;
  await roomy.end("SIGTERM");

  const full = await DaemonProcess.start(options, {}, FILE_BLOCKS);
  const order = { channelId, amount: "1" };
  const refused: { status: number; problem?: { code: string; title: string } }[] = [];
  let made = 0;
  const pay = async () => {
    while (refused.length === 0 && made < MOST) {
      const key = `payment ${made++}`;
      const told = await full.call("/v1/payments", { body: order, key }).catch(() => undefined);
      if (told?.status !== 200) refused.push(told ?? { status: 0 });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, pay));
  expect(made).toBeLessThan(MOST);
  const coded = refused.filter(({ status }) => status !== 0);
  for (const { status, problem } of coded) {
    expect(status).toBeGreaterThanOrEqual(500);
    expect(problem).toMatchObject({
      code: expect.stringMatching(/^(disk_full|store_closed|node_stopped|api_stopping)$/),
    });
  }
  expect(coded.length).toBeGreaterThan(0);
  await full.end("SIGKILL");

  const again = await DaemonProcess.start(options);
  let next = 0;
  const repeat = async () => {
    while (next < made) {
      const key = `payment ${next++}`;
      await until(
        () => again.call("/v1/payments", { body: order, key }),
        ({ status }) => status === 200,
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, repeat));
  const [{ body: ours }, { body: theirs }] = await Promise.all([
    again.call(`/v1/channels/${channelId}`),
    bob.call(`/v1/channels/${channelId}`),
  ]);
  expect([ours.sent, theirs.received]).toEqual([`${made}`, `${made}`]);
}, 120_000);

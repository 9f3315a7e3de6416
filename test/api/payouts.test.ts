import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { BlockingToken } from "../../src/chain/generated/test/tokens/BlockingToken.ts";
import type { Address } from "../../src/protocol/index.ts";
import { deployContract } from "../contracts/support/fixture.ts";
import {
  type DaemonWorld,
  finished,
  openDaemons,
  openThroughApi,
  type TestDaemon,
  until,
} from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;
const TOKENS = 10n ** 18n;
let world: DaemonWorld;
let blocking: BlockingToken;
let token: Address;

beforeAll(async () => {
  world = await openDaemons();
  blocking = (await deployContract(world.chain.account(0), "BlockingToken")) as BlockingToken;
  token = (await blocking.getAddress()).toLowerCase() as Address;
}, 60_000);
afterEach(() => mining(true));
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);
const mint = async (account: string) => (await blocking.mint(account, TOKENS)).wait();
const block = async (account: string, blocked: boolean) =>
  (await blocking.setBlocked(account, blocked)).wait();

const fetchPayout = (daemon: Pick<TestDaemon, "call">, body: object, key = crypto.randomUUID() as string) =>
  daemon.call("/v1/wallet/withdraw-payout", { body: { token, ...body }, key });

const waiting = async (daemon: Pick<TestDaemon, "call">) => (await daemon.call("/v1/node")).body.payouts;

async function over(daemon: Pick<TestDaemon, "call">, operationId: string) {
  const { body } = await until(
    () => daemon.call(`/v1/operations/${operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  return body;
}

it("a refused payout is shown, counted, and fetched once for its key, with its gas told", async () => {
  const [daemon, peer] = [await world.daemon(), await world.daemon()];
  const { account } = daemon.daemon.node;
  for (const { daemon: one } of [daemon, peer]) await mint(one.node.account);
  expect(await waiting(daemon)).toEqual([]);
  const channelId = await openThroughApi(daemon, peer, { token, deposit: DEPOSIT });
  await block(account, true);
  const close = await daemon.call(`/v1/channels/${channelId}/close`, { body: {}, key: "close" });
  await finished(daemon, close.body.operationId);
  const payouts = await until(
    () => waiting(daemon),
    (list) => list.length > 0,
  );
  const { amount } = payouts[0];
  expect(payouts).toEqual([{ token, amount }]);
  const { body: metrics } = await daemon.call("/metrics");
  expect(metrics).toContain(`rivulet_waiting_payouts{token="${token}"} ${amount}`);
  expect(metrics).toContain('rivulet_warnings_total{code="payout_credited"}');
  const refused = await fetchPayout(daemon, {});
  const { problem } = await over(daemon, refused.body.operationId);
  expect(problem).toMatchObject({ code: "payout_refused", fields: { token, to: account } });
  await daemon.call("/v1/freeze", { body: { reason: "stolen" } });
  const elsewhere = `0x${"8".repeat(40)}`;
  const frozen = await fetchPayout(daemon, { to: elsewhere });
  expect((await over(daemon, frozen.body.operationId)).problem.code).toBe("spending_frozen");
  await block(account, false);
  const quote = await daemon.call("/v1/quotes", { body: { kind: "withdrawPayout", token } });
  expect(quote.body).toMatchObject({ affordable: true, transactions: [{ name: "withdrawPayout" }] });
  // Into the account it comes while spending is frozen too: nothing leaves.
  const [first, again] = [await fetchPayout(daemon, {}, "fetch"), await fetchPayout(daemon, {}, "fetch")];
  expect([first.status, again.body.operationId]).toEqual([202, first.body.operationId]);
  const done = await finished(daemon, first.body.operationId);
  expect(done).toMatchObject({ kind: "withdrawPayout", token, to: account, amount });
  expect(BigInt(done.gasUsed)).toBeGreaterThan(21_000n);
  expect(await blocking.balanceOf(account)).toBe(TOKENS);
  await until(
    () => waiting(daemon),
    (list) => list.length === 0,
  );
  const { body: none } = await fetchPayout(daemon, {});
  expect((await over(daemon, none.operationId)).problem).toMatchObject({
    code: "payout_none",
    moneyAtStake: false,
  });
}, 60_000);

it("a fetch that was signed goes on after a kill, and is one transaction", async () => {
  const options = await world.options();
  const first = await DaemonProcess.start(options);
  const { account } = first.place;
  await world.fund(account);
  const peer = await world.daemon();
  for (const one of [account, peer.daemon.node.account]) await mint(one);
  const body = {
    peer: peer.daemon.node.addresses[0]!,
    token,
    deposit: `${DEPOSIT}`,
    requestDeposit: "0",
    challengePeriod: 600,
  };
  const opened = await first.call("/v1/channels", { body, key: "open" });
  const { channelId } = await over(first, opened.body.operationId);
  await block(account, true);
  const closed = await first.call(`/v1/channels/${channelId}/close`, { body: {}, key: "close" });
  expect((await over(first, closed.body.operationId)).state).toBe("succeeded");
  await until(
    () => waiting(first),
    (list) => list.length > 0,
  );
  await block(account, false);
  await mining(false);
  const { body: begun } = await fetchPayout(first, {}, "fetch");
  await until(
    async () => (await first.call(`/v1/operations/${begun.operationId}`)).body.progress,
    (progress) => progress?.transaction !== undefined,
  );
  await first.end("SIGKILL");
  const second = await DaemonProcess.start(options);
  const same = await fetchPayout(second, {}, "fetch");
  expect(same.body).toMatchObject({ operationId: begun.operationId, state: "running" });
  const other = await fetchPayout(second, {}, "another");
  expect(other.problem.code).toBe("operation_running");
  await mining(true);
  await world.chain.provider.send("evm_mine", []);
  expect(await over(second, begun.operationId)).toMatchObject({ state: "succeeded", amount: `${DEPOSIT}` });
  expect(await blocking.balanceOf(account)).toBe(TOKENS);
  await until(
    () => waiting(second),
    (list) => list.length === 0,
  );
  await second.end("SIGTERM");
}, 90_000);

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BlockingToken } from "../../src/chain/generated/test/tokens/BlockingToken.ts";
import { createCrypto } from "../../src/crypto/index.ts";
import { verifyStatement } from "../../src/node/books/verify.ts";
import { type NodeOptions, restoreFromMnemonic } from "../../src/node/index.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { prefixRange, recordKey } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import type { Entry } from "../../src/store/store.ts";
import { deployContract } from "../contracts/support/fixture.ts";
import { openFunded, openWorld, type TestNode, TOKENS, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
const WAIT = { timeout: 10_000 };
const crypto = await createCrypto();
let world: World;
let alice: TestNode;
let bob: TestNode;
let blocking: BlockingToken;
let token: Address;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
  blocking = (await deployContract(world.chain.account(0), "BlockingToken")) as BlockingToken;
  token = (await blocking.getAddress()).toLowerCase() as Address;
  for (const { node } of [alice, bob]) await (await blocking.mint(node.account, TOKENS)).wait();
}, 60_000);
afterAll(() => world?.stop());

const block = async (blocked: boolean, { node } = alice) =>
  (await blocking.setBlocked(node.account, blocked)).wait();

async function books({ node } = alice) {
  const balance = (await node.books.trialBalance()).find((one) => one.token === token)!;
  const of = new Map(balance.accounts.map(({ account, balance: held }) => [account, held]));
  expect([...of.values()].reduce((sum, held) => sum + held, 0n)).toBe(0n);
  return { ...balance, of: (name: string) => of.get(name as never)! };
}

async function statement(format: "json" | "csv", { node } = alice) {
  let text = "";
  for await (const piece of node.books.statement(format, {})) text += piece;
  return text;
}

it("a payout the token refuses is told, kept in the books as the escrow's debt, and told again after a restart", async () => {
  const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
  await expect.poll(async () => (await alice.node.channel(channelId)).sendCapacity).toBe(DEPOSIT);
  await block(true);
  const closed = await alice.node.close(channelId);
  expect(closed.paidOut).toEqual([DEPOSIT, DEPOSIT]);
  await expect.poll(() => alice.node.waitingPayouts()).toEqual([{ token, amount: DEPOSIT }]);
  expect(alice.warnings).toContain("payout_credited");
  expect(bob.node.waitingPayouts()).toEqual([]);
  const after = await books();
  expect(after).toMatchObject({ balanced: true, escrow: DEPOSIT, wallet: TOKENS - DEPOSIT, books: TOKENS });
  expect(after.of("assets:escrow")).toBe(DEPOSIT);
  expect(after.of("equity:external")).toBe(-TOKENS);
  const text = await statement("json");
  const report = await verifyStatement(again(text), { crypto });
  expect(report).toMatchObject({ valid: true, findings: [] });
  expect(report.totals.find((one) => one.token === token)).toMatchObject({
    settled: `${DEPOSIT}`,
    credited: `${DEPOSIT}`,
  });
  const forged = text.replace(/^\{"type":"payout".*\n/m, "");
  expect(forged).not.toBe(text);
  const codes = (await verifyStatement(again(forged), { crypto })).findings.map(({ code }) => code);
  expect(codes).toEqual(["seal_broken", "totals_mismatch"]);
  expect(await statement("csv")).toContain(
    `credited,${token},assets:escrow,assets:wallet,${DEPOSIT},${channelId},`,
  );
  await alice.node.stop();
  alice.warnings.length = 0;
  await alice.restart();
  await expect.poll(() => alice.warnings).toContain("payout_credited");
  expect(alice.node.waitingPayouts()).toEqual([{ token, amount: DEPOSIT }]);
}, 60_000);

it("what anybody else fetches for the account is in the books, and waits no longer", async () => {
  await block(false);
  await (await world.escrow.withdrawPayout(token, alice.node.account, alice.node.account)).wait();
  await expect.poll(() => alice.node.waitingPayouts()).toEqual([]);
  await expect
    .poll(() => statement("csv"))
    .toContain(`fetched,${token},assets:wallet,assets:escrow,${DEPOSIT},`);
  const after = await books();
  expect(after).toMatchObject({ balanced: true, escrow: 0n, wallet: TOKENS, books: TOKENS });
  expect(after.of("equity:external")).toBe(-TOKENS);
}, 60_000);

it("is fetched once per name, to another address while the token goes on refusing, and nowhere where it would be lost", async () => {
  const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
  await expect.poll(async () => (await alice.node.channel(channelId)).sendCapacity).toBe(DEPOSIT);
  await block(true);
  await alice.node.close(channelId);
  await expect.poll(() => alice.node.waitingPayouts()).toEqual([{ token, amount: DEPOSIT }]);
  const refused = { code: "payout_refused", fields: { token, to: alice.node.account } };
  await expect(alice.node.withdrawPayout({ token })).rejects.toMatchObject(refused);
  await expect(
    alice.node.quote({ kind: "withdrawPayout", token, to: alice.node.account }),
  ).rejects.toMatchObject(refused);
  for (const to of [token, world.escrowAddress, ZERO_ADDRESS]) {
    await expect(alice.node.withdrawPayout({ token, to })).rejects.toMatchObject({
      code: "destination_refused",
    });
  }
  const none = { code: "payout_none", fields: { token: world.tokenAddress } };
  await expect(alice.node.withdrawPayout({ token: world.tokenAddress })).rejects.toMatchObject(none);
  const to = `0x${"7".repeat(40)}` as Address;
  const quote = await alice.node.quote({ kind: "withdrawPayout", token, to });
  expect(quote).toMatchObject({ affordable: true, transactions: [{ name: "withdrawPayout" }] });
  const first = await alice.node.withdrawPayout({ token, to }, { name: "rescue" });
  expect(first.amount).toBe(DEPOSIT);
  expect(await alice.node.withdrawPayout({ token, to }, { name: "rescue" })).toEqual(first);
  const other = alice.node.withdrawPayout({ token, to: bob.node.account }, { name: "rescue" });
  await expect(other).rejects.toMatchObject({ code: "option_invalid" });
  expect(await blocking.balanceOf(to)).toBe(DEPOSIT);
  await expect.poll(() => alice.node.waitingPayouts()).toEqual([]);
  await expect.poll(async () => (await books()).of("equity:drawings")).toBe(DEPOSIT);
  const after = await books();
  expect(after).toMatchObject({
    balanced: true,
    escrow: 0n,
    wallet: TOKENS - DEPOSIT,
    books: TOKENS - DEPOSIT,
  });
  expect(after.of("equity:external")).toBe(-TOKENS);
  expect(await statement("csv")).toContain(
    `fetched,${token},equity:drawings,assets:escrow,${DEPOSIT},,${to},`,
  );
  const report = await verifyStatement(again(await statement("json")), { crypto });
  expect(report).toMatchObject({ valid: true, findings: [] });
}, 60_000);

it("what a damaged database has forgotten of payouts is in the books again, once each", async () => {
  const rows = async () =>
    (await statement("csv")).split("\r\n").filter((row) => /,(credited|fetched),/.test(row));
  const before = await rows();
  expect(before).toHaveLength(4);
  await alice.node.stop();
  const { directory } = alice.options;
  const store = await openLevelStore(join(directory, "level"));
  const entries = async (namespace: string) => {
    const found: Entry[] = [];
    for await (const entry of store.range(prefixRange(recordKey(namespace, "")))) found.push(entry);
    return found;
  };
  const [listed, noted] = [await entries("payout"), await entries("payoutNoted")];
  const gone = listed.slice(1).map(([key]) => key);
  const name = Buffer.from(gone[0]!.subarray(recordKey("payout", "").length));
  gone.push(noted.find(([, value]) => Buffer.from(value).includes(name))![0]);
  await store.write(
    gone.map((key) => ({ type: "del", key })),
    { sync: true },
  );
  await store.close();
  await rm(join(directory, "mark"));
  await alice.restart();
  const withoutTime = (list: string[]) => list.map((row) => row.slice(row.indexOf(","))).sort();
  await expect.poll(async () => withoutTime(await rows()), WAIT).toEqual(withoutTime(before));
}, 60_000);

describe("a node of which only the words are left", () => {
  /** A node that a channel paid out to in vain, stopped, and how it is started again from its words. */
  async function lost() {
    const carol = await world.node();
    await (await blocking.mint(carol.node.account, TOKENS)).wait();
    const { channelId } = await openFunded(carol, bob, DEPOSIT, token);
    await expect.poll(async () => (await carol.node.channel(channelId)).sendCapacity, WAIT).toBe(DEPOSIT);
    await block(true, carol);
    await carol.node.close(channelId);
    await expect.poll(() => carol.node.waitingPayouts(), WAIT).toEqual([{ token, amount: DEPOSIT }]);
    await carol.node.stop();
    const { mnemonic, chainId, escrow } = carol.options;
    const directory = `${carol.options.directory}-restored`;
    await restoreFromMnemonic({ mnemonic, chainId, escrow, directory, oldNodeIsGone: true });
    const restart = async (changed: Partial<NodeOptions> = {}) => {
      carol.warnings.length = 0;
      await carol.restart({}, { directory, ...changed });
    };
    return { carol, channelId, restart };
  }

  async function confirm(blocks: number) {
    for (let i = 0; i < blocks; i++) await world.pass(1);
  }

  it("finds what waits of a channel settled before, books it, tells it at each start, and fetches it", async () => {
    const { carol, restart } = await lost();
    await restart();
    await expect.poll(() => carol.node.waitingPayouts(), WAIT).toEqual([{ token, amount: DEPOSIT }]);
    expect(carol.warnings).toContain("payout_credited");
    const owned = { balanced: true, escrow: DEPOSIT, wallet: TOKENS - DEPOSIT, books: TOKENS };
    expect(await books(carol)).toMatchObject(owned);
    expect(await statement("csv", carol)).toContain(
      `credited,${token},assets:escrow,assets:wallet,${DEPOSIT},`,
    );
    for await (const channel of carol.node.channels()) expect(channel).toBeUndefined();
    await carol.node.stop();
    await restart();
    await expect.poll(() => carol.warnings, WAIT).toContain("payout_credited");
    expect(carol.warnings).not.toContain("database_lost_data");
    expect(carol.node.waitingPayouts()).toEqual([{ token, amount: DEPOSIT }]);
    const to = `0x${"9".repeat(40)}` as Address;
    expect(await carol.node.withdrawPayout({ token, to })).toMatchObject({ amount: DEPOSIT });
    expect(await blocking.balanceOf(to)).toBe(DEPOSIT);
    await expect.poll(async () => (await books(carol)).of("assets:escrow"), WAIT).toBe(0n);
    expect(carol.node.waitingPayouts()).toEqual([]);
  }, 60_000);

  it("takes a settlement that is not confirmed for none, and books what it left once it is", async () => {
    const confirmations = 20;
    await confirm(confirmations);
    const { carol, channelId, restart } = await lost();
    await restart({ confirmations });
    await expect.poll(() => carol.node.waitingPayouts(), WAIT).toEqual([{ token, amount: DEPOSIT }]);
    await expect.poll(async () => (await carol.node.channel(channelId)).phase, WAIT).toBe("closing");
    expect(await statement("csv", carol)).not.toContain("credited");
    await confirm(confirmations);
    await expect.poll(() => statement("csv", carol), WAIT).toContain(`,${DEPOSIT},${channelId},`);
    await expect.poll(async () => (await carol.node.channel(channelId)).phase, WAIT).toBe("settled");
    expect((await books(carol)).balanced).toBe(true);
    await world.pass(3_700);
    await confirm(confirmations);
    await expect.poll(() => carol.node.addresses.length, WAIT).toBeGreaterThan(0);
    // Nobody is awaited any more: the loss is over.
    await carol.node.stop();
    await restart();
    await expect.poll(() => carol.warnings, WAIT).toContain("payout_credited");
    expect(carol.warnings).not.toContain("database_lost_data");
  }, 60_000);
});

async function* again(text: string) {
  yield text;
}

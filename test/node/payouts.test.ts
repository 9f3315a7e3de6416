import { afterAll, beforeAll, expect, it } from "vitest";
import type { BlockingToken } from "../../src/chain/generated/test/tokens/BlockingToken.ts";
import { createCrypto } from "../../src/crypto/index.ts";
import { verifyStatement } from "../../src/node/books/verify.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { deployContract } from "../contracts/support/fixture.ts";
import { openFunded, openWorld, type TestNode, TOKENS, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
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

const block = async (blocked: boolean) => (await blocking.setBlocked(alice.node.account, blocked)).wait();

async function books() {
  const balance = (await alice.node.books.trialBalance()).find((one) => one.token === token)!;
  const of = new Map(balance.accounts.map(({ account, balance: held }) => [account, held]));
  expect([...of.values()].reduce((sum, held) => sum + held, 0n)).toBe(0n);
  return { ...balance, of: (name: string) => of.get(name as never)! };
}

async function statement(format: "json" | "csv") {
  let text = "";
  for await (const piece of alice.node.books.statement(format, {})) text += piece;
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

async function* again(text: string) {
  yield text;
}

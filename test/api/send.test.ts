import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { checksummed } from "../../src/chain/checksum.ts";
import type { MoodyToken } from "../../src/chain/generated/test/tokens/MoodyToken.ts";
import { createCrypto } from "../../src/crypto/index.ts";
import { verifyStatement } from "../../src/node/books/verify.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
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
let world: DaemonWorld;
let addresses = 0;

beforeAll(async () => {
  world = await openDaemons();
}, 60_000);
afterEach(() => mining(true));
afterAll(async () => {
  await DaemonProcess.endAll();
  await world?.stop();
});

const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);
const mine = () => world.chain.provider.send("evm_mine", []);

/** An address that nobody has sent anything to. */
function somebody(): Address {
  return `0x${(++addresses).toString(16).padStart(40, "5")}` as Address;
}

interface Order {
  readonly to: string;
  readonly token?: string;
  readonly amount: string;
  readonly force?: boolean;
}

const send = (daemon: Pick<TestDaemon, "call">, order: Order, key = crypto.randomUUID() as string) =>
  daemon.call("/v1/wallet/send", { body: { token: ZERO_ADDRESS, ...order }, key });

/** Sends, and resolves with the operation once it is over. */
async function sent(daemon: TestDaemon, order: Order) {
  return finished(daemon, (await send(daemon, order)).body.operationId);
}

/** Why a send that was begun failed. */
async function failed(daemon: TestDaemon, order: Order) {
  const { body } = await send(daemon, order);
  const { body: over } = await until(
    () => daemon.call(`/v1/operations/${body.operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  expect(over.state).toBe("failed");
  return over.problem;
}

async function drawings(daemon: TestDaemon, token: Address): Promise<bigint> {
  const { body } = await daemon.call("/v1/books");
  const of = body.items.find((one: { token: Address }) => one.token === token);
  expect(of.balanced).toBe(true);
  const accounts: { account: string; balance: string }[] = of.accounts;
  expect(accounts.reduce((sum, { balance }) => sum + BigInt(balance), 0n)).toBe(0n);
  return BigInt(accounts.find(({ account }) => account === "equity:drawings")!.balance);
}

describe("money of the account", () => {
  it("arrives once, is told what it costs before, and stands in books and statements", async () => {
    const daemon = await world.daemon();
    const { account } = daemon.daemon.node;
    const [coins, tokens] = [somebody(), somebody()];
    const quote = await daemon.call("/v1/quotes", {
      body: { kind: "send", to: coins, token: ZERO_ADDRESS, amount: "123" },
    });
    expect(quote.body).toMatchObject({ amount: "123", affordable: true, transactions: [{ name: "send" }] });
    expect(BigInt(quote.body.cost)).toBeGreaterThan(0n);
    const before = await world.balance(ZERO_ADDRESS, account);
    const key = "coins";
    const [first, again] = [
      await send(daemon, { to: coins, amount: "123" }, key),
      await send(daemon, { to: coins, amount: "123" }, key),
    ];
    expect([first.status, again.body.operationId]).toEqual([202, first.body.operationId]);
    const other = await send(daemon, { to: coins, amount: "124" }, key);
    expect(other.problem.code).toBe("idempotency_conflict");
    const operation = await finished(daemon, first.body.operationId);
    const receipt = (await world.chain.provider.getTransactionReceipt(operation.transaction))!;
    expect(operation).toMatchObject({ kind: "send", to: coins, token: ZERO_ADDRESS, amount: "123" });
    expect(before - (await world.balance(ZERO_ADDRESS, account))).toBe(123n + receipt.fee);
    const ofToken = await sent(daemon, {
      to: checksummed(tokens),
      token: world.tokenAddress,
      amount: "456",
    });
    expect([
      await world.balance(ZERO_ADDRESS, coins),
      await world.balance(world.tokenAddress, tokens),
    ]).toEqual([123n, 456n]);
    expect([await drawings(daemon, ZERO_ADDRESS), await drawings(daemon, world.tokenAddress)]).toEqual([
      123n,
      456n,
    ]);
    const json = await (
      await fetch(`${daemon.daemon.url}/v1/statements?format=json`, authorized(daemon))
    ).text();
    const report = await verifyStatement(pieces(json), { crypto: await createCrypto() });
    expect(report).toMatchObject({ valid: true, findings: [] });
    expect(report.totals.map(({ drawn }) => drawn).sort()).toEqual(["123", "456"]);
    const forged = json.replace(`"to":"${tokens}","amount":"456"`, `"to":"${tokens}","amount":"455"`);
    const codes = (await verifyStatement(pieces(forged), { crypto: await createCrypto() })).findings;
    expect(codes.map(({ code }) => code)).toEqual(["seal_broken", "totals_mismatch"]);
    const csv = await (
      await fetch(`${daemon.daemon.url}/v1/statements?format=csv`, authorized(daemon))
    ).text();
    expect(csv).toContain(
      `drawing,${world.tokenAddress},equity:drawings,assets:wallet,456,,${tokens},,,,,,,${ofToken.transaction}`,
    );
  }, 60_000);

  it("is sent whole: all of a token, and of the coin all but the gas", async () => {
    const daemon = await world.daemon();
    const { account } = daemon.daemon.node;
    const to = somebody();
    const held = await world.balance(world.tokenAddress, account);
    await sent(daemon, { to, token: world.tokenAddress, amount: "all" });
    expect(await world.balance(world.tokenAddress, to)).toBe(held);
    const coins = await world.balance(ZERO_ADDRESS, account);
    const { amount, transaction } = await sent(daemon, { to, amount: "all" });
    const { value, gasLimit, maxFeePerGas } = (await world.chain.provider.getTransaction(transaction))!;
    expect([value, coins]).toEqual([BigInt(amount), value + gasLimit * maxFeePerGas!]);
    expect(await world.balance(ZERO_ADDRESS, to)).toBe(value);
  }, 60_000);

  it("goes nowhere where it would be lost, and not to a mistyped address", async () => {
    const daemon = await world.daemon();
    const token = world.tokenAddress;
    const refused: [Order, string][] = [
      [{ to: ZERO_ADDRESS, amount: "1" }, "destination_refused"],
      [{ to: world.escrowAddress, amount: "1" }, "destination_refused"],
      [{ to: token, token, amount: "1" }, "destination_refused"],
      [{ to: daemon.daemon.node.account, amount: "1" }, "destination_refused"],
      // A contract that takes no coins.
      [{ to: token, amount: "1" }, "transaction_failed"],
      [{ to: somebody(), amount: `${10n ** 30n}` }, "wallet_insufficient"],
      [{ to: somebody(), token, amount: `${10n ** 30n}` }, "wallet_insufficient"],
    ];
    const before = await world.balance(ZERO_ADDRESS, daemon.daemon.node.account);
    for (const [order, code] of refused) {
      expect((await failed(daemon, order)).code).toBe(code);
      const body = { kind: "send", token: ZERO_ADDRESS, ...order };
      expect((await daemon.call("/v1/quotes", { body })).problem.code).toBe(code);
    }
    const right = checksummed("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed" as Address);
    const wrong = right.replace("A", "a");
    const { status, problem } = await send(daemon, { to: wrong, amount: "1" });
    expect([status, problem.fields]).toMatchObject([400, { path: "/to" }]);
    expect(await world.balance(ZERO_ADDRESS, daemon.daemon.node.account)).toBe(before);
  }, 60_000);

  it("of a token that says no and does not revert is not sent", async () => {
    const daemon = await world.daemon();
    const moody = (await deployContract(world.chain.account(0), "MoodyToken")) as MoodyToken;
    const token = (await moody.getAddress()).toLowerCase();
    await (await moody.mint(daemon.daemon.node.account, 10n)).wait();
    await (await moody.setMood(ANSWERS_FALSE)).wait();
    const problem = await failed(daemon, { to: somebody(), token, amount: "1" });
    expect(problem.fields).toEqual({ reason: "send: the token answers false" });
  }, 60_000);

  it("stays while spending is frozen, and within the node's limits and the caller's budget", async () => {
    const daemon = await world.daemon();
    const to = somebody();
    await daemon.call("/v1/freeze", { body: { reason: "stolen" } });
    expect(await failed(daemon, { to, amount: "1" })).toMatchObject({
      code: "spending_frozen",
      fields: { reason: "stolen" },
    });
    await daemon.call("/v1/unfreeze", { method: "POST" });
    const limits = { node: [{ token: ZERO_ADDRESS, perHour: "100" }], peers: [], onLimit: "hold" };
    await daemon.call("/v1/limits", { method: "PUT", body: limits });
    await sent(daemon, { to, amount: "60" });
    expect(await failed(daemon, { to, amount: "41" })).toMatchObject({
      code: "limit_exceeded",
      fields: { rule: "node.perHour", spent: "60" },
    });
    await sent(daemon, { to, amount: "40" });
    const { body: child } = await daemon.call("/v1/access-tokens", {
      body: { name: "helper", scopes: ["admin"], budgets: [{ token: world.tokenAddress, total: "5" }] },
    });
    const bounded = {
      ...daemon,
      call: (path: string, options: object = {}) => daemon.call(path, { ...options, token: child.secret }),
    };
    const { body: begun } = await send(bounded, { to, token: world.tokenAddress, amount: "6" });
    const over = await until(
      () => daemon.call(`/v1/operations/${begun.operationId}`),
      ({ body }) => body.state !== "running",
    );
    expect(over.body.problem.code).toBe("budget_exceeded");
    expect(await world.balance(ZERO_ADDRESS, to)).toBe(100n);
  }, 60_000);

  it("leaves the gas that disputes of channels may need, unless told otherwise", async () => {
    const [daemon, peer] = [await world.daemon(), await world.daemon()];
    await openThroughApi(daemon, peer, { token: ZERO_ADDRESS, deposit: DEPOSIT });
    const { account } = daemon.daemon.node;
    const to = somebody();
    const coins = await world.balance(ZERO_ADDRESS, account);
    const nearly = `${coins - 10n ** 14n}`;
    const problem = await failed(daemon, { to, amount: nearly });
    expect(problem).toMatchObject({
      code: "gas_reserve_needed",
      moneyAtStake: false,
      fields: { channels: "1" },
    });
    const { amount } = await sent(daemon, { to, amount: "all" });
    const needed = BigInt(problem.fields.needed);
    const left = await world.balance(ZERO_ADDRESS, account);
    expect(left).toBeGreaterThanOrEqual(needed);
    expect(coins - BigInt(amount)).toBeLessThan(2n * needed);
    expect((await failed(daemon, { to, amount: "all" })).code).toBe("wallet_insufficient");
    await sent(daemon, { to, amount: "all", force: true });
    expect(await world.balance(ZERO_ADDRESS, account)).toBeLessThan(needed);
  }, 60_000);
});

describe("a daemon that is killed while it sends", () => {
  it("sends once what was signed, and what was not only when it is asked again", async () => {
    const options = await world.options();
    const first = await DaemonProcess.start(options);
    await world.fund(first.place.account);
    await mining(false);
    const orders = { signed: { to: somebody(), amount: "111" }, waiting: { to: somebody(), amount: "222" } };
    const begun: Record<string, string> = {};
    for (const [key, order] of Object.entries(orders)) {
      begun[key] = (await send(first, order, key)).body.operationId;
      const step = key === "signed" ? "send" : "queued";
      await until(
        async () => (await first.call(`/v1/operations/${begun[key]}`)).body.progress,
        (progress) => progress?.step === step && (step === "queued" || progress.transaction !== undefined),
      );
    }
    await first.end("SIGKILL");
    const second = await DaemonProcess.start(options);
    const stateOf = async (key: string) => (await second.call(`/v1/operations/${begun[key]}`)).body.state;
    expect([await stateOf("signed"), await stateOf("waiting")]).toEqual(["running", "interrupted"]);
    const again = await send(second, orders.signed, "signed");
    expect(again.body).toMatchObject({ operationId: begun.signed, state: "running" });
    await mining(true);
    await mine();
    await until(
      () => stateOf("signed"),
      (state) => state === "succeeded",
    );
    expect(await stateOf("waiting")).toBe("interrupted");
    expect(await world.balance(ZERO_ADDRESS, orders.waiting.to)).toBe(0n);
    await send(second, orders.waiting, "waiting");
    await until(
      () => stateOf("waiting"),
      (state) => state === "succeeded",
    );
    await second.end("SIGKILL");
    const third = await DaemonProcess.start(options);
    for (const [key, order] of Object.entries(orders)) {
      const { body } = await send(third, order, key);
      expect(body).toMatchObject({ operationId: begun[key], state: "succeeded", amount: order.amount });
      expect(await world.balance(ZERO_ADDRESS, order.to)).toBe(BigInt(order.amount));
    }
    await third.end("SIGTERM");
  }, 90_000);
});

/** `Hostility.Mood`. */
const ANSWERS_FALSE = 5;

const authorized = ({ daemon }: TestDaemon) => ({
  headers: { authorization: `Bearer ${daemon.adminToken}` },
});

async function* pieces(text: string) {
  yield text;
}

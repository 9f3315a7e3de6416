import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MEASURED_GAS } from "../../src/node/gasFigures.ts";
import { createNode, type NodeOptions, type Quote } from "../../src/node/index.ts";
import { type Address, type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { until } from "./support/until.ts";
import { FUNDS, openFunded, openWorld, type TestNode, TOKENS, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;

let world: World;
let alice: TestNode;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  alice = await world.node();
  bob = await world.node();
}, 60_000);

afterAll(() => world?.stop());

const send = (method: string, ...params: unknown[]) => world.chain.provider.send(method, params);

function names({ transactions }: Quote): string[] {
  return transactions.map(({ name }) => name);
}

/** What the account paid for gas since `before`, deposits taken out. */
async function spent(before: bigint, deposited = 0n): Promise<bigint> {
  return before - deposited - (await world.balance(ZERO_ADDRESS, alice.node.account));
}

function near(actual: bigint, expected: bigint, percent: bigint): void {
  expect(actual * 100n, `${actual} is not near ${expected}`).toBeGreaterThan(expected * (100n - percent));
  expect(actual * 100n, `${actual} is not near ${expected}`).toBeLessThan(expected * (100n + percent));
}

describe("measured gas", () => {
  it("is what the snapshot says", () => {
    const url = new URL("../contracts/gas.snapshot.json", import.meta.url);
    const snapshot = JSON.parse(readFileSync(url, "utf8")) as Record<string, number>;
    const { approve, ...measured } = MEASURED_GAS;
    expect(measured).toEqual({
      depositNative: BigInt(snapshot["open, native coin"]!),
      depositToken: BigInt(snapshot["open, ERC-20, limited allowance"]!),
      withdraw: BigInt(snapshot["withdraw, ERC-20"]!),
      closeCooperatively: BigInt(snapshot["cooperative close, both paid, ERC-20"]!),
      startClose: BigInt(snapshot["unilateral start, with a proof"]!),
      challenge: BigInt(snapshot.challenge!),
      settle: BigInt(snapshot["settle, ERC-20, both paid"]!),
    });
    expect(approve).toBeGreaterThan(46_000n);
  });
});

describe("a quote", () => {
  it("says before an opening in coins what it then costs", async () => {
    const quote = await alice.node.quote({ kind: "open", token: ZERO_ADDRESS, amount: DEPOSIT });
    expect(names(quote)).toEqual(["deposit"]);
    expect(quote.gas).toBe(quote.transactions[0]!.gas);
    expect(quote.cost).toBe(quote.gas * quote.gasPrice);
    expect(quote).toMatchObject({ affordable: true, missing: { native: 0n, token: 0n } });
    expect(quote.gasPriceCeiling).toBe(200n * 10n ** 9n);
    const before = await world.balance(ZERO_ADDRESS, alice.node.account);
    await alice.node.openChannel({ peer: bob.node.addresses[0]!, deposit: DEPOSIT, challengePeriod: 600 });
    // Blocks between quote and transaction may change the price by an eighth each.
    near(await spent(before, DEPOSIT), quote.cost, 30n);
  });

  it("names the approval beside the deposit of a token, each near what it then uses", async () => {
    const token = world.tokenAddress;
    // The first deposit of a token ever costs more: the escrow's own balance of it is written for the first time.
    await openFunded(bob, alice, DEPOSIT, token);
    const quote = await alice.node.quote({ kind: "open", token, amount: DEPOSIT });
    expect(names(quote)).toEqual(["approve", "deposit"]);
    const used = new Map<string, bigint>();
    const block = await world.chain.provider.getBlockNumber();
    const opened = await openFunded(alice, bob, DEPOSIT, token);
    for (let at = block + 1; at <= (await world.chain.provider.getBlockNumber()); at++) {
      const receipts = (await send("eth_getBlockReceipts", `0x${at.toString(16)}`)) as Record<
        string,
        string
      >[];
      for (const { from, to, gasUsed } of receipts) {
        if (from === alice.node.account) used.set(to === token ? "approve" : "deposit", BigInt(gasUsed!));
      }
    }
    for (const { name, gas } of quote.transactions) near(used.get(name)!, gas, 10n);
    const { channelId } = opened;
    expect(names(await alice.node.quote({ kind: "deposit", channelId, amount: 5n }))).toEqual([
      "approve",
      "deposit",
    ]);
  });

  it("covers withdrawing and closing, cooperative and unilateral", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 5n });
    expect(names(await bob.node.quote({ kind: "withdraw", channelId, amount: 5n }))).toEqual(["withdraw"]);
    expect(names(await bob.node.quote({ kind: "close", channelId, mode: "cooperative" }))).toEqual(["close"]);
    const alone = await bob.node.quote({ kind: "close", channelId, mode: "unilateral" });
    expect(names(alone)).toEqual(["startClose", "settle"]);
    // Simulated with the newest proof there is.
    expect(alone.transactions[0]!.gas).not.toBe(MEASURED_GAS.startClose);
    near(alone.transactions[0]!.gas, MEASURED_GAS.startClose, 25n);
    await bob.node.close(channelId);
    const late = bob.node.quote({ kind: "close", channelId, mode: "cooperative" });
    await expect(late).rejects.toMatchObject({ code: "channel_not_open", fields: { phase: "settled" } });
  });

  it("says what the account lacks: gas beside the deposit, or the token itself", async () => {
    const all = await world.balance(ZERO_ADDRESS, alice.node.account);
    const coins = await alice.node.quote({ kind: "open", token: ZERO_ADDRESS, amount: all });
    expect(coins.affordable).toBe(false);
    expect(coins.missing.native).toBeGreaterThan(0n);
    expect(names(coins)).toEqual(["deposit"]);
    const tokens = await alice.node.quote({ kind: "open", token: world.tokenAddress, amount: TOKENS * 2n });
    expect(tokens.affordable).toBe(false);
    expect(tokens.missing.native).toBe(0n);
    expect(tokens.missing.token).toBeGreaterThan(TOKENS - 1n);
  });

  it("sends nothing", async () => {
    const count = await world.chain.provider.getTransactionCount(alice.node.account);
    await alice.node.quote({ kind: "open", token: world.tokenAddress, amount: 1n });
    expect(await world.chain.provider.getTransactionCount(alice.node.account)).toBe(count);
    expect(await send("eth_getTransactionCount", alice.node.account, "pending")).toBe(
      `0x${count.toString(16)}`,
    );
  });

  it("refuses a channel nobody knows", async () => {
    const channelId = `0x${"12".repeat(32)}` as ChannelId;
    const quote = alice.node.quote({ kind: "withdraw", channelId, amount: 1n });
    await expect(quote).rejects.toMatchObject({ code: "channel_unknown" });
  });
});

describe("a token's description", () => {
  /** Puts a contract's code at an address of its own. */
  async function at(name: string, code: string): Promise<Address> {
    const address = `0x${Buffer.from(name).toString("hex").padEnd(40, "0")}` as Address;
    await send("anvil_setCode", address, `0x${code}`);
    return address;
  }

  it("is the token's own, with what the account holds now", async () => {
    const before = await alice.node.tokenInfo(world.tokenAddress);
    expect(before).toMatchObject({
      symbol: "RTT",
      name: "Rivulet Test Token",
      decimals: 6,
      warning: undefined,
    });
    await (await world.token.mint(alice.node.account, 7n)).wait();
    expect((await alice.node.tokenInfo(world.tokenAddress)).balance).toBe(before.balance + 7n);
    expect(before.balance).toBe((await world.balance(world.tokenAddress, alice.node.account)) - 7n);
  });

  it("of the zero address is the chain's coin", async () => {
    const { balance, ...info } = await alice.node.tokenInfo(ZERO_ADDRESS);
    expect(info).toMatchObject({ symbol: "ETH", decimals: 18, warning: undefined });
    expect(balance).toBe(await world.balance(ZERO_ADDRESS, alice.node.account));
  });

  it("whose `decimals` reverts has none, and says so", async () => {
    // balanceOf answers 7, everything else reverts.
    const token = await at("mute", "5f3560e01c6370a08231146011575f5ffd5b60075f5260205ff3");
    const info = await alice.node.tokenInfo(token);
    expect(info).toMatchObject({ symbol: "?", name: undefined, decimals: 0, balance: 7n });
    expect(info.warning).toContain("no usable symbol and no usable decimals");
    expect(await alice.node.tokenInfo(token)).toEqual(info);
  });

  it.each([
    ["where there is no contract", ""],
    ["that never ends", "5b5f56"],
    ["that reverts", "5f5ffd"],
  ])("%s is refused, and the servers keep their good name", async (what, code) => {
    const token = await at(what.slice(-8).trim(), code);
    await expect(alice.node.tokenInfo(token)).rejects.toMatchObject({
      code: "token_unusable",
      fields: { token },
    });
    expect(alice.node.chainStatus().endpoints).toMatchObject([{ healthy: true }]);
  });
});

describe("the gas wallet", () => {
  it("needs one dispute's gas at least, and one for every channel that is being closed", async () => {
    const idle = await alice.node.gasWallet();
    expect(idle.enough).toBe(true);
    expect(idle.balance).toBe(await world.balance(ZERO_ADDRESS, alice.node.account));
    expect(idle.needed).toBeGreaterThan(0n);
    const channels = [await openFunded(alice, bob, DEPOSIT), await openFunded(alice, bob, DEPOSIT)];
    // The price may have moved with the blocks, by an eighth each at most; the count doubles.
    const closings = channels.map(({ channelId }) => alice.node.close(channelId, { mode: "unilateral" }));
    for (const { channelId } of channels) {
      await until("the close", async () => (await alice.node.channel(channelId)).phase === "closing");
    }
    await send("anvil_setNextBlockBaseFeePerGas", "0x3b9aca00");
    await send("evm_mine");
    const one = await bobWithoutChannels();
    const two = await alice.node.gasWallet();
    near(two.needed, 2n * one.needed, 20n);
    await world.pass(700);
    await Promise.all(closings);
  });

  /** What a node without any channel needs at this block's price. */
  async function bobWithoutChannels() {
    const other = await world.node();
    await send("anvil_setNextBlockBaseFeePerGas", "0x3b9aca00");
    await send("evm_mine");
    const status = await other.node.gasWallet();
    await other.node.stop();
    return status;
  }

  it("that cannot pay for a dispute is an alarm, and no alarm once it was filled", async () => {
    const carol = await world.node({ eventLog: {} });
    await send("anvil_setBalance", carol.node.account, "0x1");
    // A node looks once a minute at most, so one that starts looks at once.
    await carol.node.stop();
    const poor = await carol.restart();
    // It may ring before anybody listens; the log has it all the same.
    for await (const event of poor.history.events({ after: "0", types: ["warning"] })) {
      if ((event as { data?: { code?: string } }).data?.code === "gas_wallet_low") break;
    }
    expect(await poor.gasWallet()).toMatchObject({ balance: 1n, enough: false });
    await poor.stop();
    await send("anvil_setBalance", carol.node.account, `0x${FUNDS.toString(16)}`);
    const rich = await carol.restart();
    expect((await rich.gasWallet()).enough).toBe(true);
    await rich.stop();
  });
});

describe("the chain's status", () => {
  it("tells block, times, confirmations and servers", async () => {
    await send("evm_mine");
    const number = await world.chain.provider.getBlockNumber();
    await until("the block", () => alice.node.chainStatus().block >= number);
    const status = alice.node.chainStatus();
    expect(status).toMatchObject({ fresh: true, failure: undefined, clockSkew: undefined, confirmations: 1 });
    expect(status.confirmedTime).toBe(status.blockTime);
    expect(status.endpoints).toMatchObject([
      { name: new URL(world.chain.url).host, healthy: true, head: status.block },
    ]);
  });
});

describe("options", () => {
  it.each<[string, Partial<NodeOptions>, string]>([
    ["no URL", { rpcUrl: [] }, "rpcUrl"],
    ["what is no URL", { rpcUrl: "secret-key" }, "rpcUrl"],
    [
      "a second one with a password for a WebSocket",
      { rpcUrl: ["http://a.test", "ws://me:secret-key@b.test"] },
      "rpcUrl, number 2",
    ],
    ["a ceiling of nothing", { fees: { ceiling: 0n } }, "fees.ceiling"],
    [
      "an urgent ceiling below the ceiling",
      { fees: { ceiling: 9n, urgentCeiling: 8n } },
      "fees.urgentCeiling",
    ],
  ])("refuses %s before anything else", async (_what, overrides, option) => {
    const refused = createNode({ ...alice.options, directory: "/nowhere/at/all", ...overrides });
    await expect(refused).rejects.toMatchObject({ code: "option_invalid", fields: { option } });
    await expect(refused).rejects.not.toThrow(/secret-key/);
  });

  it("holds the publisher to a fee ceiling: a transaction waits instead of paying more", async () => {
    const thrifty = await world.node({ fees: { ceiling: 10n ** 9n, urgentCeiling: 2n * 10n ** 9n } });
    await send("anvil_setNextBlockBaseFeePerGas", `0x${(3n * 10n ** 9n).toString(16)}`);
    await send("evm_mine");
    const waits: string[] = [];
    const stop = new AbortController();
    const opening = thrifty.node.openChannel({
      peer: bob.node.addresses[0]!,
      deposit: 5n,
      challengePeriod: 600,
      signal: stop.signal,
      onProgress: (progress) => {
        const state = "progress" in progress ? progress.progress : undefined;
        if (state?.stage === "waiting") waits.push(state.reason);
      },
    });
    await until("the wait", () => waits.includes("fee_ceiling"));
    await send("anvil_setNextBlockBaseFeePerGas", "0x5f5e100");
    await send("evm_mine");
    expect(await opening).toMatchObject({ phase: "open" });
    const quote = await thrifty.node.quote({ kind: "open", token: ZERO_ADDRESS, amount: 1n });
    expect(quote.gasPriceCeiling).toBe(10n ** 9n);
    await thrifty.node.stop();
  });
});

import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Wallet } from "ethers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { balanceOf } from "../../src/dev/chain/balance.ts";
import { type DevNetwork, devAccount, type NetworkOptions, startNetwork } from "../../src/dev/index.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";

let directory: string;
let running: DevNetwork[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-network-test-"));
  running = [];
});

afterEach(async () => {
  for (const network of running) await network.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: NetworkOptions = {}): Promise<DevNetwork> {
  const network = await startNetwork({ port: 0, ...options });
  running.push(network);
  return network;
}

async function call(url: string, method: string, params: unknown[] = []): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return ((await response.json()) as { result: unknown }).result;
}

describe("a network in one command", () => {
  it("has a funded channel in coin and USDC between each two of three nodes, and their APIs, within ten seconds", async () => {
    const started = performance.now();
    const network = await start();
    // Ten are promised; a machine that runs every other test besides may be slower.
    expect(performance.now() - started).toBeLessThan(30_000);
    const { usdc, token } = network.contracts;
    const pairs = network.channels.map(({ nodes, token: of }) => `${nodes.join("-")} ${of}`);
    expect(pairs.sort()).toEqual(
      ["alice-bob", "alice-carol", "bob-carol"]
        .flatMap((pair) => [`${pair} ${ZERO_ADDRESS}`, `${pair} ${usdc.address}`])
        .sort(),
    );
    for (const { channelId, nodes } of network.channels) {
      const [opener, other] = nodes.map((name) => network.nodes.find((node) => node.name === name)!);
      await opener!.node.pay({ channelId, amount: 1n });
      await other!.node.pay({ channelId, amount: 2n });
    }
    for (const { api, account } of network.nodes) {
      const headers = { authorization: `Bearer ${api!.token}` };
      const status = await (await fetch(`${api!.url}/v1/node`, { headers })).json();
      expect(status).toMatchObject({ account: account.address, escrow: network.contracts.escrow });
      expect((await fetch(`${api!.url}/v1/node`)).status).toBe(401);
    }
    for (const { address } of network.accounts) {
      expect(await balanceOf(network.provider, address, usdc.address)).toBe(10n ** 12n);
      expect(await balanceOf(network.provider, address, token.address)).toBe(10n ** 24n);
    }
    expect(await call(network.rpcUrl, "eth_chainId")).toBe("0x7a69");
    // Applications use accounts that no node sends from.
    const unlocked = (await call(network.rpcUrl, "eth_accounts")) as string[];
    expect(unlocked).toEqual(network.accounts.map(({ address }) => address));
    const url = network.rpcUrl;
    await network.close();
    await expect(call(url, "eth_chainId")).rejects.toThrow();
  });

  it("uses the same accounts and contracts every time", async () => {
    const first = await start({ nodes: 1 });
    const second = await start({ nodes: 1 });
    expect(second.nodes[0]!.account).toEqual(first.nodes[0]!.account);
    expect(second.nodes[0]!.account).toEqual(devAccount(10));
    expect(second.nodes[0]!.signer).toBe(first.nodes[0]!.signer);
    expect(second.contracts).toEqual(first.contracts);
  });

  it("makes a block every so many seconds and at no other time, if asked to", async () => {
    const network = await start({ nodes: 1, blockTime: 1 });
    const { accounts, rpcUrl } = network;
    const transaction = { from: accounts[0]!.address, to: accounts[1]!.address, value: "0x1" };
    const hash = await call(rpcUrl, "eth_sendTransaction", [transaction]);
    await expect
      .poll(() => call(rpcUrl, "eth_getTransactionReceipt", [hash]), { timeout: 20_000 })
      .toMatchObject({ status: "0x1" });
    const before = Number(await call(rpcUrl, "eth_blockNumber"));
    await sleep(2_500);
    expect(Number(await call(rpcUrl, "eth_blockNumber"))).toBeGreaterThan(before);
  });

  it("says which port is taken, and leaves nothing running or locked", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(start({ port, stateDirectory: directory })).rejects.toMatchObject({
      code: "port_taken",
      fields: { port, option: "--port" },
    });
    other.close();
    await start({ nodes: 1, stateDirectory: directory });
  });

  it.each([
    { nodes: 0 },
    { nodes: 17 },
    { nodes: 1.5 },
    { blockTime: 0 },
    { port: 70_000 },
    { port: Number.NaN },
  ])("refuses %o", async (options) => {
    await expect(start(options)).rejects.toMatchObject({ code: "option_invalid" });
  });
});

describe("a network that is kept", () => {
  const keep = (options: NetworkOptions = {}) => start({ nodes: 2, stateDirectory: directory, ...options });

  it("goes on where it was left: blocks, balances, channels, payments, time", async () => {
    const first = await keep();
    const { channelId } = first.channels[0]!;
    await first.nodes[0]!.node.pay({ channelId, amount: 77n });
    const [user, other] = first.accounts;
    // Each way a chain changes: signed by the chain, signed outside, in another's name, and by decree.
    const ask = (method: string, ...params: unknown[]) => first.provider.request({ method, params });
    await ask("eth_sendTransaction", { from: user!.address, to: other!.address, value: "0x5" });
    const wallet = new Wallet(other!.privateKey);
    const fees = { gasLimit: 21_000, maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n };
    const nonce = Number(await ask("eth_getTransactionCount", wallet.address, "latest"));
    const plain = { to: user!.address, value: 3n, chainId: first.chainId, nonce, type: 2, ...fees };
    await ask("eth_sendRawTransaction", await wallet.signTransaction(plain));
    await ask("hardhat_impersonateAccount", first.contracts.escrow);
    await ask("hardhat_setBalance", first.contracts.escrow, `0x${(10n ** 30n).toString(16)}`);
    await ask("eth_sendTransaction", { from: first.contracts.escrow, to: other!.address, value: "0x9" });
    await ask("evm_increaseTime", 1_000_000);
    await ask("hardhat_mine", "0x3");
    const undone = await ask("evm_snapshot");
    await ask("hardhat_setBalance", `0x${"cd".repeat(20)}`, "0x1");
    await ask("evm_mine");
    await ask("evm_revert", undone);
    await ask("evm_mine");
    const newest = await ask("eth_getBlockByNumber", "latest", false);
    await first.close();

    const second = await keep();
    const again = (method: string, ...params: unknown[]) => second.provider.request({ method, params });
    expect(await again("eth_getBlockByNumber", newest.number, false)).toEqual(newest);
    expect(await again("eth_blockNumber")).toBe(newest.number);
    expect(await again("eth_getBalance", `0x${"cd".repeat(20)}`, "latest")).toBe("0x0");
    expect(second.channels).toEqual(first.channels);
    const channel = await second.nodes[1]!.node.channel(channelId);
    expect(channel).toMatchObject({ received: 77n, phase: "open", connected: true });
    await second.nodes[0]!.node.pay({ channelId, amount: 3n });
    await again("evm_mine");
    const { timestamp } = await again("eth_getBlockByNumber", "latest", false);
    expect(Number(timestamp)).toBeGreaterThanOrEqual(Math.floor(Date.now() / 1000) + 999_000);
    expect((await second.nodes[0]!.node.close(channelId)).paidOut).toEqual([
      10n ** 19n - 80n,
      10n ** 19n + 80n,
    ]);
  });

  it("gives more nodes channels too when it is started with more", async () => {
    await (await keep()).close();
    const network = await keep({ nodes: 3 });
    expect(network.channels).toHaveLength(6);
    expect((await stat(join(directory, "carol"))).isDirectory()).toBe(true);
  });

  it("survives a death in the middle of writing", async () => {
    const first = await keep({ nodes: 1 });
    await first.close();
    await appendFile(join(directory, "chain.jsonl"), '{"block":9999,"ha');
    await (await keep({ nodes: 1 })).close();
  });

  it("refuses a record that would give another chain, and leaves it alone", async () => {
    await (await keep({ nodes: 1 })).close();
    const file = join(directory, "chain.jsonl");
    const text = await readFile(file, "utf8");
    await writeFile(
      file,
      text.replace(/"time":(\d+)/, (_all, time) => `"time":${Number(time) + 1}`),
    );
    const wrong = await readFile(file, "utf8");
    await expect(keep({ nodes: 1 })).rejects.toMatchObject({ code: "state_unreplayable" });
    expect(await readFile(file, "utf8")).toBe(wrong);
    await writeFile(file, `no json\n${text}`);
    await expect(keep()).rejects.toMatchObject({ code: "state_damaged", fields: { line: 1 } });
  });

  it("runs once only, and knows a dead process's lock", async () => {
    const first = await keep({ nodes: 1 });
    await expect(keep()).rejects.toMatchObject({ code: "state_in_use", fields: { pid: process.pid } });
    await first.close();
    await writeFile(join(directory, "lock"), "999999999");
    await keep({ nodes: 1 });
  });

  it("refuses what a newer version kept", async () => {
    await writeFile(join(directory, "network.json"), JSON.stringify({ version: 2, genesisTime: 1 }));
    await expect(keep()).rejects.toMatchObject({ code: "state_newer" });
  });

  it("refuses calls after which it could not be kept", async () => {
    const { provider } = await keep({ nodes: 1 });
    await expect(provider.request({ method: "hardhat_reset" })).rejects.toMatchObject({
      code: "method_unsupported",
    });
  });
});

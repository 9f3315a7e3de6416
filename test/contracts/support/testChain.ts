import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { HDNodeWallet, JsonRpcProvider } from "ethers";
import hre from "hardhat";
import { freePort } from "../../support/freePort.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const ANVIL_START_MS = 20_000;

/** A development chain on loopback that mines every transaction at once. */
export interface TestChain {
  readonly name: string;
  readonly url: string;
  readonly provider: JsonRpcProvider;
  /** The funded development account with this index. */
  account(index: number): HDNodeWallet;
  /** Timestamp of the newest block, Unix seconds. */
  time(): Promise<number>;
  /** The next block gets exactly this timestamp; a block is mined with it. */
  mineAt(time: number): Promise<void>;
  stop(): Promise<void>;
}

/** Hardhat's chain behind its own JSON-RPC server. */
export async function startHardhat(): Promise<TestChain> {
  const server = await hre.network.createServer("default", "127.0.0.1", 0);
  const { port } = await server.listen();
  return openChain("hardhat", port, () => server.close());
}

/** Anvil, as the chain that nobody here wrote. */
export async function startAnvil(): Promise<TestChain> {
  const port = await freePort();
  const process_ = spawn(anvilPath(), ["--port", String(port), "--host", "127.0.0.1", "--silent"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await answering(port, process_);
  return openChain("anvil", port, async () => {
    const ended = new Promise((resolve) => process_.once("exit", resolve));
    process_.kill("SIGKILL");
    await ended;
  });
}

function openChain(name: string, port: number, stop: () => Promise<unknown>): TestChain {
  const url = `http://127.0.0.1:${port}`;
  const provider = new JsonRpcProvider(url, 31337, {
    staticNetwork: true,
    cacheTimeout: -1,
    batchMaxCount: 1,
    pollingInterval: 20,
  });
  const root = HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0");
  return {
    name,
    url,
    provider,
    account: (index) => root.deriveChild(index).connect(provider),
    time: async () => (await provider.getBlock("latest"))!.timestamp,
    mineAt: async (time) => {
      await provider.send("evm_setNextBlockTimestamp", [time]);
      await provider.send("evm_mine", []);
    },
    stop: async () => {
      provider.destroy();
      await stop();
    },
  };
}

/** The binary of the npm package; its launcher would stay between the test and the process it has to end. */
function anvilPath(): string {
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const platform = process.platform === "darwin" ? "darwin" : "linux";
  return import.meta.resolve(`@foundry-rs/anvil-${platform}-${arch}/bin/anvil`).replace("file://", "");
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  let complaint = "";
  child.stderr?.on("data", (data: Buffer) => {
    complaint += data.toString().slice(0, 2_000);
  });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  const headers = { "content-type": "application/json" };
  const end = Date.now() + ANVIL_START_MS;
  while (Date.now() < end && child.exitCode === null) {
    try {
      await fetch(`http://127.0.0.1:${port}`, { method: "POST", body, headers });
      return;
    } catch {
      await sleep(50);
    }
  }
  child.kill("SIGKILL");
  throw new Error(`anvil did not answer on port ${port}: ${complaint}`);
}

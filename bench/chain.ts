import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ContractFactory, HDNodeWallet, JsonRpcProvider } from "ethers";
import type { Address } from "rivulet";
import type { ChainPlace } from "./control.ts";

const HOST = "127.0.0.1";
const MNEMONIC = "test test test test test test test test test test test junk";
const FIRST_ACCOUNT = "m/44'/60'/0'/0/0";
const START_PATIENCE_MS = 20_000;
const ARTIFACT = new URL("../artifacts/contracts/ChannelEscrow.sol/ChannelEscrow.json", import.meta.url);

/** What every node's account starts with, wei. */
const FUNDS = 10n ** 27n;

/** A chain in a process of its own, with the escrow on it. It mines when it is sent a transaction and rests otherwise. */
export interface BenchChain {
  readonly place: ChainPlace;
  /** Gives an account coins for deposits and gas. */
  fund(account: Address): Promise<void>;
  /** Mines so many empty blocks. */
  mine(blocks: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts anvil and deploys the escrow from the last build's artifact. */
export async function startChain(): Promise<BenchChain> {
  const port = await freePort();
  const anvil = spawn(anvilPath(), ["--port", String(port), "--host", HOST, "--silent"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  // However this process ends, the chain ends with it.
  const kill = () => void anvil.kill("SIGKILL");
  process.once("exit", kill);
  const rpcUrl = `http://${HOST}:${port}`;
  const provider = new JsonRpcProvider(rpcUrl, 31337, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 20,
  });
  const stop = async () => {
    provider.destroy();
    process.off("exit", kill);
    if (anvil.exitCode !== null || anvil.signalCode !== null) return;
    const ended = once(anvil, "exit");
    kill();
    await ended;
  };
  try {
    await answering(rpcUrl);
    const { abi, bytecode } = JSON.parse(await readFile(ARTIFACT, "utf8"));
    const deployer = HDNodeWallet.fromPhrase(MNEMONIC, undefined, FIRST_ACCOUNT).connect(provider);
    const escrow = await (await new ContractFactory(abi, bytecode, deployer).deploy()).waitForDeployment();
    const address = (await escrow.getAddress()).toLowerCase() as Address;
    return {
      place: { rpcUrl, chainId: 31337n, escrow: address },
      fund: (account) => provider.send("anvil_setBalance", [account, `0x${FUNDS.toString(16)}`]),
      mine: (blocks) => provider.send("anvil_mine", [`0x${blocks.toString(16)}`]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The binary of the npm package; its launcher would stay between us and the process we have to end. */
function anvilPath(): string {
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const platform = process.platform === "darwin" ? "darwin" : "linux";
  return import.meta.resolve(`@foundry-rs/anvil-${platform}-${arch}/bin/anvil`).replace("file://", "");
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await once(probe.listen(0, HOST), "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function answering(rpcUrl: string): Promise<void> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  const headers = { "content-type": "application/json" };
  for (const end = Date.now() + START_PATIENCE_MS; ; ) {
    try {
      await fetch(rpcUrl, { method: "POST", body, headers });
      return;
    } catch (cause) {
      if (Date.now() > end) throw new Error("anvil does not answer", { cause });
      await sleep(50);
    }
  }
}

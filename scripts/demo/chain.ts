// The demo's chain: Hardhat's, in a process of its own, with escrow and test token on it.
import {
  errorDeploymentResultToExceptionMessage,
  HardhatArtifactResolver,
} from "@nomicfoundation/hardhat-ignition/helpers";
import { DeploymentResultType, deploy, type IgnitionModule } from "@nomicfoundation/ignition-core";
import { JsonRpcProvider } from "ethers";
import hre from "hardhat";
import ChannelEscrow from "../../ignition/modules/ChannelEscrow.ts";
import TestToken from "../../ignition/modules/TestToken.ts";
import type { ChainCalls, ChainPlace } from "./control.ts";
import { serve } from "./serve.ts";

const HOST = "127.0.0.1";

async function start(): Promise<ChainPlace> {
  const server = await hre.network.createServer("default", HOST, 0);
  const { port } = await server.listen();
  const rpcUrl = `http://${HOST}:${port}`;
  const provider = new JsonRpcProvider(rpcUrl, undefined, { batchMaxCount: 1, cacheTimeout: -1 });
  const escrow = await deployed(ChannelEscrow, provider);
  const token = await deployed(TestToken, provider);
  const { chainId } = await provider.getNetwork();
  const block = await provider.getBlockNumber();
  provider.destroy();
  return { rpcUrl, chainId, escrow, token, block };
}

/** Deploys a module with one contract, leaving no record behind: this chain lives in memory. */
async function deployed(ignitionModule: IgnitionModule, provider: JsonRpcProvider): Promise<string> {
  const request = ({ method, params }: { method: string; params?: unknown[] | Record<string, unknown> }) =>
    provider.send(method, params ?? []);
  const result = await deploy({
    ignitionModule,
    provider: { request },
    artifactResolver: new HardhatArtifactResolver(hre.artifacts),
    deploymentParameters: {},
    accounts: (await provider.send("eth_accounts", [])) as string[],
    // Every transaction is in a block by the time it is answered.
    config: { requiredConfirmations: 1, blockPollingInterval: 20 },
  });
  if (result.type !== DeploymentResultType.SUCCESSFUL_DEPLOYMENT) {
    throw new Error(errorDeploymentResultToExceptionMessage(result));
  }
  return Object.values(result.contracts)[0]!.address.toLowerCase();
}

serve<ChainCalls>({ start });

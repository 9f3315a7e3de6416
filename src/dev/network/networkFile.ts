import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DEV_MNEMONIC } from "../accounts.ts";
import type { DevNetwork } from "./network.ts";

/** The name of the file that programs read, in the working directory or where the network is kept. */
export const NETWORK_FILE = "rivulet-dev.json";

/** What is told of a network: printed by `--json`, and in the file. Raised when its shape changes. */
const DESCRIPTION_VERSION = 1;

/** Everything a program needs to use a network. */
export type NetworkDescription = ReturnType<typeof describeNetwork>;

export function describeNetwork(network: DevNetwork) {
  const { rpcUrl, chainId, blockTime, contracts, accounts, nodes, channels } = network;
  return {
    version: DESCRIPTION_VERSION,
    chain: { rpcUrl, chainId, ...(blockTime !== undefined && { blockTime }) },
    contracts,
    mnemonic: DEV_MNEMONIC,
    accounts,
    nodes: nodes.map(({ name, account, signer, address, api }) => ({
      name,
      address,
      signer,
      account: account.address,
      accountIndex: account.index,
      privateKey: account.privateKey,
      ...(api && { api }),
    })),
    channels,
  };
}

/** Writes the file whole or not at all, readable by its owner only: it has access tokens in it. */
export function writeNetworkFile(path: string, description: NetworkDescription): void {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  renameSync(fresh, path);
}

/** Removes the file, unless another network has written it since: its endpoints would be those of nobody. */
export function removeNetworkFile(path: string, description: NetworkDescription): void {
  try {
    if (readFileSync(path, "utf8") === `${JSON.stringify(description, null, 2)}\n`) rmSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

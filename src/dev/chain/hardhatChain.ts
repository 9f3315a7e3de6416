import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEV_MNEMONIC, USER_ACCOUNTS } from "../accounts.ts";
import { DevError } from "../error.ts";
import type { Provider } from "./provider.ts";

/** Hardhat's chain id for local chains, which wallets know. */
const DEV_CHAIN_ID = 31_337;

/** Named, so that a record of the chain can be replayed by a newer Hardhat, whose default may be another. */
const HARDFORK = "prague";

/** What the user's accounts start with, wei: 10,000 coins, as with Hardhat and Anvil. */
export const START_BALANCE = 10n ** 22n;

export interface HardhatChain {
  readonly provider: Provider;
  close(): Promise<void>;
}

/**
 * Starts Hardhat's chain in this process, in memory. `genesisTime`: Unix seconds of block 0; the same one gives the
 * same chain. Throws `hardhat_missing`.
 */
export async function openHardhatChain(genesisTime: number): Promise<HardhatChain> {
  const { createHardhatRuntimeEnvironment } = await importHardhat();
  // Nothing is compiled, so these stay empty: without them Hardhat would look beside the nearest package.json.
  const unused = join(tmpdir(), "rivulet-dev-no-artifacts");
  const runtime = await createHardhatRuntimeEnvironment(
    {
      paths: { artifacts: unused, cache: unused },
      networks: {
        default: {
          type: "edr-simulated",
          chainType: "l1",
          chainId: DEV_CHAIN_ID,
          hardfork: HARDFORK,
          initialDate: new Date(genesisTime * 1000),
          accounts: {
            mnemonic: DEV_MNEMONIC,
            count: USER_ACCOUNTS,
            accountsBalance: START_BALANCE,
          },
          // First come, first mined: a record of the chain can be replayed in its order.
          allowBlocksWithSameTimestamp: true,
          mining: { auto: true, mempool: { order: "fifo" } },
        },
      },
    },
    {},
    import.meta.dirname,
  );
  const connection = await runtime.network.create();
  return { provider: connection.provider as Provider, close: () => connection.close() };
}

async function importHardhat(): Promise<typeof import("hardhat/hre")> {
  try {
    return await import("hardhat/hre");
  } catch (error) {
    // The second: Hardhat 2, which has no such entry.
    const missing = ["ERR_MODULE_NOT_FOUND", "ERR_PACKAGE_PATH_NOT_EXPORTED"];
    if (!missing.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    const fields = { command: "npm install --save-dev hardhat" };
    throw new DevError({ code: "hardhat_missing", fields }, { cause: error });
  }
}

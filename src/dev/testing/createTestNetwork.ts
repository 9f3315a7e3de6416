import { openHardhatChain } from "../chain/hardhatChain.ts";
import { TestNetwork } from "./testNetwork.ts";

/**
 * A network for one test or one test file, on a chain of its own in this process. Close it, or declare it with
 * `await using`. Throws `hardhat_missing`.
 */
export async function createTestNetwork(): Promise<TestNetwork> {
  const { provider, close } = await openHardhatChain(Math.floor(Date.now() / 1000));
  return new TestNetwork({ chain: provider, closeChain: close });
}

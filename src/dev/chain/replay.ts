import { DevError } from "../error.ts";
import { type BlockEntry, type ChainEntry, isBlock, type TransactionEntry } from "./chainRecord.ts";
import { blockTime, type Provider, quantity } from "./provider.ts";

/**
 * Makes a chain again from its record, block by block, and checks that each block has the hash it had: a node's
 * database is about exactly these blocks. Answers the number of the newest. Throws `state_unreplayable`.
 */
export async function replay(chain: Provider, entries: readonly ChainEntry[]): Promise<number> {
  const request = (method: string, ...params: unknown[]) => chain.request({ method, params });
  await request("evm_setAutomine", false);
  let newest: BlockEntry | undefined;
  for (const entry of entries) {
    if (isBlock(entry)) {
      await replayBlock(chain, entry);
      newest = entry;
    } else await request(entry.method, ...entry.params);
  }
  await request("evm_setAutomine", true);
  if (newest === undefined) return 0;
  // Time that a test let pass stays passed, and the time since then passed on this chain as everywhere.
  const wanted = Math.floor(Date.now() / 1000) + Math.max(0, newest.time - newest.at);
  const ahead = wanted - (await blockTime(chain, "pending"));
  if (ahead > 0) await request("evm_increaseTime", ahead);
  return newest.block;
}

async function replayBlock(chain: Provider, entry: BlockEntry): Promise<void> {
  const { block, hash, time, randao, transactions } = entry;
  const request = (method: string, ...params: unknown[]) => chain.request({ method, params });
  let mined: { readonly hash: string } | null;
  try {
    for (const transaction of transactions) await resend(chain, transaction);
    await request("hardhat_setPrevRandao", randao);
    await request("evm_setNextBlockTimestamp", quantity(time));
    await request("evm_mine");
    mined = await request("eth_getBlockByNumber", quantity(block), false);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DevError({ code: "state_unreplayable", fields: { block, reason } }, { cause: error });
  }
  if (mined?.hash !== hash) {
    const reason = "it came out as another block, perhaps because Hardhat is another version";
    throw new DevError({ code: "state_unreplayable", fields: { block, reason } });
  }
}

async function resend(chain: Provider, transaction: TransactionEntry): Promise<void> {
  if (typeof transaction === "string") {
    await chain.request({ method: "eth_sendRawTransaction", params: [transaction] });
    return;
  }
  const { impersonated } = transaction;
  await chain.request({ method: "hardhat_impersonateAccount", params: [impersonated.from] });
  await chain.request({ method: "eth_sendTransaction", params: [impersonated] });
  await chain.request({ method: "hardhat_stopImpersonatingAccount", params: [impersonated.from] });
}

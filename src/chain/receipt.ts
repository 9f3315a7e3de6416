import type { Address } from "../protocol/address.ts";
import type { Eth, Receipt } from "./eth.ts";
import type { IntentRecord, Outcome } from "./intent.ts";
import { decodeRevert } from "./revert.ts";
import { revertDataOf } from "./simulate.ts";

/** The receipt of whichever of an intent's attempts is in a block, newest first, or undefined. */
export async function receiptOf(
  record: IntentRecord,
  eth: Eth,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  for (const attempt of [...record.attempts].reverse()) {
    const receipt = await eth.receipt(attempt.hash, { signal, retries: 0 });
    if (receipt !== undefined) return receipt;
  }
  return undefined;
}

/** What a confirmed receipt means for its intent. */
export async function outcomeOf(
  record: IntentRecord,
  receipt: Receipt,
  account: Address,
  eth: Eth,
  signal: AbortSignal,
): Promise<Outcome> {
  const { transactionHash: hash, gasUsed, effectiveGasPrice: gasPrice } = receipt;
  const block = { number: receipt.blockNumber, hash: receipt.blockHash };
  const attempt = record.attempts.find((other) => other.hash === hash);
  if (attempt?.cancels) return { ok: false, code: "tx_cancelled", hash };
  if (receipt.succeeded) return { ok: true, hash, block, gasUsed, gasPrice };
  // The state after the block is the nearest that can be asked: it names the reason in nearly every case.
  const data = await revertDataOf(account, record, { blockHash: block.hash }, eth, { signal });
  return { ok: false, code: "tx_reverted", hash, block, revert: decodeRevert(data) };
}

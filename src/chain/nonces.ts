import { ChainError } from "./error.ts";
import type { Line, Look } from "./line.ts";

/** A reorganisation that freed the nonces of finished intents: they are sent again before anything else may use them. */
export async function reopenFreed(line: Line, { head, count }: Look): Promise<void> {
  if (count >= line.first) return;
  for (const record of await line.outbox.freedBy(count)) {
    const reopened = { ...record, outcome: undefined };
    await line.outbox.save(reopened);
    line.adopt(reopened).wait("reorganised");
  }
  if (line.first > count)
    throw disagreement(`the chain counts ${count}, the journal ${line.first}`, head.number);
}

/**
 * Throws `rpc_inconsistent` when a count above ours is one server's word only. What is signed behind a nonce that nobody
 * used is never mined, so no single answer may lead us there.
 */
export async function checkCount(line: Line, { head, count, signal }: Look): Promise<void> {
  const { account, eth } = line.init;
  if (count <= line.outbox.next) return;
  const least = await eth.leastTransactionCount(account.address, head.number, { signal, retries: 0 });
  if (least < count) throw disagreement(`one answer counts ${count}, another ${least}`, head.number);
}

function disagreement(counts: string, block: number): ChainError {
  return new ChainError({ code: "rpc_inconsistent", reason: `the account's transactions: ${counts}`, block });
}

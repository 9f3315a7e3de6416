import { ChainError } from "./error.ts";
import type { Line } from "./line.ts";

/** A reorganisation that freed the nonces of finished intents: they are sent again before anything else may use them. */
export async function reopenFreed(line: Line, count: number): Promise<void> {
  if (count >= line.first) return;
  for (const record of await line.outbox.freedBy(count)) {
    const reopened = { ...record, outcome: undefined };
    await line.outbox.save(reopened);
    line.adopt(reopened).wait("reorganised");
  }
  const { first } = line;
  if (first > count) {
    const reason = `the chain counts ${count} transactions of the account, the journal ${first}`;
    throw new ChainError({ code: "rpc_inconsistent", reason, block: 0 });
  }
}

import { ChainError } from "./error.ts";
import type { Call, Header, Receipt } from "./eth.ts";
import type { IntentRecord } from "./intent.ts";
import type { Job } from "./job.ts";
import type { Line, Look } from "./line.ts";
import { outvoted } from "./nonces.ts";
import { outcomeOf, receiptOf } from "./receipt.ts";

/** An unmined transaction is handed in again after this long: pools forget. */
const RESEND_MS = 10_000;

/**
 * Turns and milliseconds without a receipt for a used nonce before someone else is held to have used it: receipts are
 * indexed late, and servers behind one address lag. A wrong verdict could have a deposit made twice.
 */
const UNACCOUNTED_TURNS = 3;
const UNACCOUNTED_MS = 60_000;

/** How often the count by which a transaction is unmined is compared with the other servers'. */
const COMPARED_MS = 60_000;

/** Follows one signed job for a turn: settles what is confirmed, raises or hands in again what is not mined. */
export async function follow(job: Job, line: Line, look: Look): Promise<void> {
  const record = job.record!;
  const { eth, needed, now } = line.init;
  if (record.nonce < look.count) {
    // Asked for again once it may be confirmed; a reorganisation that took it out shows in the count, or then.
    const known = job.receipt;
    if (known !== undefined && confirmationsOf(known, look.head) < needed) {
      tellMined(job, known, line, look);
      return;
    }
    const receipt = await receiptOf(record, eth, look.signal);
    if (receipt !== undefined) await settle(job, record, receipt, line, look);
    else await unaccounted(job, record, line, look);
    return;
  }
  job.unaccounted = 0;
  if (job.mined) {
    job.receipt = undefined;
    job.sentAt = 0;
    job.wait("reorganised");
  }
  await assertUnmined(job, record, line, look);
  if (await offerMore(job, record, line, look)) return;
  if (now() * 1000 - job.sentAt >= RESEND_MS) await line.send(job, look.signal);
}

function confirmationsOf({ blockNumber }: Receipt, head: Header): number {
  return Math.max(1, head.number - blockNumber + 1);
}

function tellMined(job: Job, receipt: Receipt, line: Line, { head }: Look): void {
  const confirmations = confirmationsOf(receipt, head);
  const { needed } = line.init;
  job.say({ stage: "mined", hash: receipt.transactionHash, confirmations, needed });
}

async function settle(
  job: Job,
  record: IntentRecord,
  receipt: Receipt,
  line: Line,
  look: Look,
): Promise<void> {
  job.receipt = receipt;
  job.unaccounted = 0;
  const { account, eth, needed, onMined } = line.init;
  const confirmations = confirmationsOf(receipt, look.head);
  const hash = receipt.transactionHash;
  tellMined(job, receipt, line, look);
  if (confirmations < needed) return;
  const outcome = await outcomeOf(record, receipt, account.address, eth, look.signal);
  const { gasUsed } = receipt;
  const amount = gasUsed * receipt.effectiveGasPrice;
  await onMined?.({ hash, intent: record.id, gasUsed, amount, done: outcome.ok });
  await line.finish(job, record, outcome);
  job.say({ stage: "confirmed", hash, confirmations, needed });
}

/**
 * What seems unmined for long may be so by the count of one server only. Asks the others once a minute, about the lowest;
 * throws `rpc_inconsistent` when more than half count it.
 */
async function assertUnmined(
  job: Job,
  { nonce, attempts }: IntentRecord,
  line: Line,
  { head, count, signal }: Look,
): Promise<void> {
  const { account, eth, now } = line.init;
  const time = now() * 1000;
  if (nonce !== count || time - Math.max(job.comparedAt, attempts[0]!.at) < COMPARED_MS) return;
  job.comparedAt = time;
  const agreed = await eth.agreedTransactionCount(account.address, head.number, { signal, retries: 0 });
  if (agreed > nonce) throw outvoted(count, agreed, head.number);
}

/** The nonce is used and none of ours is to be found: a receipt that is late, or someone else's transaction. */
async function unaccounted(
  job: Job,
  record: IntentRecord,
  line: Line,
  { head, signal }: Look,
): Promise<void> {
  const { account, eth, needed, now } = line.init;
  job.receipt = undefined;
  if (job.unaccounted++ === 0) job.unaccountedSince = now() * 1000;
  const waited = now() * 1000 - job.unaccountedSince;
  if (job.unaccounted < UNACCOUNTED_TURNS || waited < UNACCOUNTED_MS) return;
  const deep = Math.max(0, head.number - needed + 1);
  const sure = await eth.leastTransactionCount(account.address, deep, { signal });
  if (sure <= record.nonce) return;
  // Behind the count: it may have been mined meanwhile, or the server that was asked keeps its receipt to itself.
  for (const { hash } of record.attempts) {
    if (!(await eth.hasReceipt(hash, { signal }))) continue;
    const reason = `one server has a receipt of ${hash}, another has not`;
    throw new ChainError({ code: "rpc_inconsistent", reason, block: head.number });
  }
  await line.finish(job, record, { ok: false, code: "nonce_taken", nonce: record.nonce });
}

/** Signs a replacement when it is due and allowed. True when one was sent. */
async function offerMore(
  job: Job,
  record: IntentRecord,
  line: Line,
  { head, signal }: Look,
): Promise<boolean> {
  const cancels = job.cancelRequested || record.cancelling;
  const self = line.init.account.address;
  const content: Call = cancels ? { to: self, data: "0x", value: 0n } : record;
  const { value } = content;
  const offer = await line.pricing.next(job, record, value, cancels, head, line.jobs.values(), signal);
  if (offer === undefined) return false;
  if (typeof offer === "string") {
    job.wait(offer);
    return false;
  }
  await line.attempt(job, { ...record, cancelling: cancels }, content, offer, signal);
  return true;
}

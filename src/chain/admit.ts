import { failureOf } from "./error.ts";
import type { Intent, IntentRecord, Outcome } from "./intent.ts";
import { sameContent } from "./intent.ts";
import type { Job } from "./job.ts";
import type { Line, Look } from "./line.ts";
import { isFar } from "./nonces.ts";
import { simulate } from "./simulate.ts";

/** Gives a waiting intent its nonce and sends it, or ends it with a refusal. */
export async function admit(job: Job, line: Line, { head, count, signal }: Look): Promise<void> {
  const { intent } = job;
  const { eth, account } = line.init;
  const before = await line.outbox.find(intent.id);
  if (before !== undefined) return line.end(job, repeated(intent, before));
  if (job.cancelRequested) return line.end(job, { ok: false, code: "tx_cancelled", hash: undefined });
  if (intent.deadline !== undefined && head.timestamp > intent.deadline) {
    const { deadline } = intent;
    return line.end(job, { ok: false, code: "deadline_passed", deadline, time: head.timestamp });
  }
  let nonce = Math.max(line.outbox.next, count);
  while (await line.refill(nonce, signal)) nonce++;
  let simulated: Awaited<ReturnType<typeof simulate>>;
  try {
    simulated = await simulate(account.address, intent, eth, { signal, retries: 0 });
  } catch (error) {
    if (failureOf(error)?.code !== "rpc_error") throw error;
    return job.wait("rpc_refused"); // the others need not wait for it
  }
  if (!simulated.ok) return line.end(job, simulated);
  const { gasLimit } = simulated;
  const jobs = line.jobs.values();
  const fees = await line.pricing.first(intent, gasLimit, nonce, head, jobs, line.signed, signal);
  if ("code" in fees) return line.end(job, fees);
  // The filler that is to go so far first could not be paid for, a moment ago.
  if (isFar(count, line.outbox)) return job.wait("gas_wallet_empty");
  if (job.mayLeave?.() === false) return line.end(job, { ok: false, code: "tx_cancelled", hash: undefined });
  const { id, to, data, value, deadline } = intent;
  const record = { id, to, data, value, deadline, nonce, gasLimit, attempts: [], cancelling: false };
  await line.attempt(job, { ...record, outcome: undefined }, intent, fees, signal);
}

/** What a submission of an id that is already over gets. */
function repeated(intent: Intent, before: IntentRecord): Outcome {
  if (!sameContent(intent, before) || before.outcome === undefined) {
    return { ok: false, code: "intent_conflict", id: intent.id };
  }
  return before.outcome;
}

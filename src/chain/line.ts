import type { Hex } from "../protocol/bytes.ts";
import { type Account, signTransaction } from "./account.ts";
import type { Call, Eth, Header } from "./eth.ts";
import type { FeePolicy, Fees } from "./fees.ts";
import { fillerId, type IntentRecord, isFiller, type Outcome } from "./intent.ts";
import { byNonce, byUrgency, Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import { Outbox } from "./outbox.ts";
import { Pricing } from "./pricing.ts";
import { send } from "./send.ts";

/** Signed and unmined at once: geth keeps 16 of an account whatever happens. */
export const MAX_OPEN = 16;

/** Signed and unconfirmed at once: the names of all are written with each. */
const MAX_UNCONFIRMED = 256;

export interface LineInit {
  readonly eth: Eth;
  readonly journal: Journal;
  readonly chainId: bigint;
  readonly account: Account;
  /** Blocks a transaction must have, its own included; at least 1. */
  readonly needed: number;
  readonly fees: FeePolicy;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
  readonly onMined: ((cost: MinedCost) => Promise<void>) | undefined;
}

export interface MinedCost {
  readonly hash: Hex;
  readonly intent: string;
  readonly gasUsed: bigint;
  readonly amount: bigint;
  /** It did what its intent was for: no revert, no cancellation. */
  readonly done: boolean;
}

/** What one turn goes by. */
export interface Look {
  readonly head: Header;
  /** Transactions of the account in blocks, as a server counted them. */
  readonly count: number;
  readonly signal: AbortSignal;
}

/**
 * The intents under way, and the line of nonces that the signed ones stand in.
 * The only place where anything is signed: for the nonce that its record has, on disk before it leaves.
 */
export class Line {
  readonly init: LineInit;
  readonly outbox: Outbox;
  readonly pricing: Pricing;
  readonly jobs = new Map<string, Job>();
  /** Those of the jobs that have a record. */
  readonly signed = new Set<Job>();
  /** Something was handed in since this was last set to false. */
  sentNow = false;
  #order = 0;

  constructor(init: LineInit) {
    this.init = init;
    this.outbox = new Outbox(init.journal);
    this.pricing = new Pricing(init.fees, init.eth, init.account.address, init.now);
  }

  /** Takes up what the journal says is under way. Throws `journal_damaged`. */
  async load(): Promise<void> {
    for (const record of await this.outbox.load()) this.adopt(record);
  }

  /** A job for an intent that is not under way yet. */
  add(intent: Job["intent"]): Job {
    const job = new Job(intent, this.#order++);
    this.jobs.set(intent.id, job);
    return job;
  }

  /** The job of a record that is not over. */
  adopt(record: IntentRecord): Job {
    const { id, to, data, value, deadline } = record;
    const intent = deadline === undefined ? { id, to, data, value } : { id, to, data, value, deadline };
    const job = this.jobs.get(id) ?? this.add(intent);
    job.record = record;
    this.signed.add(job);
    return job;
  }

  /** Takes up again, on disk first, what was over. */
  async reopen(record: IntentRecord): Promise<Job> {
    const reopened = { ...record, outcome: undefined };
    await this.outbox.save(reopened);
    return this.adopt(reopened);
  }

  /**
   * Hands in again the filler that was ever signed for this nonce: given up for a lower one, it is in the servers' pools
   * still and would take the nonce from anything else. False: there is none.
   */
  async refill(nonce: number, signal: AbortSignal): Promise<boolean> {
    const filler = await this.outbox.find(fillerId(nonce));
    if (filler !== undefined) await this.send(await this.reopen(filler), signal);
    return filler !== undefined;
  }

  /** The signed, by nonce. */
  open(): Job[] {
    return [...this.signed].sort(byNonce);
  }

  /** Whether one more may be signed. */
  get hasRoom(): boolean {
    const unmined = [...this.signed].filter(({ mined }) => !mined).length;
    return unmined < MAX_OPEN && this.signed.size < MAX_UNCONFIRMED;
  }

  /** Those without a nonce, the most urgent first. */
  waiting(): Job[] {
    return [...this.jobs.values()].filter(({ record }) => record === undefined).sort(byUrgency);
  }

  /** The lowest nonce of those that are not over, or the next to be given. */
  get first(): number {
    return this.open()[0]?.record?.nonce ?? this.outbox.next;
  }

  /** Signs, journals, sends: in this order, always. */
  async attempt(
    job: Job,
    record: IntentRecord,
    content: Call,
    fees: Fees,
    signal: AbortSignal,
  ): Promise<void> {
    const { chainId, account, now } = this.init;
    const { to, data, value } = content;
    const { nonce, gasLimit } = record;
    const { maxFee, priority } = fees;
    const unsigned = { chainId, nonce, to, data, value, gasLimit, maxFee, priority };
    const { raw, hash } = await signTransaction(unsigned, account);
    const attempt = { hash, raw, maxFee, priority, at: now() * 1000, cancels: record.cancelling };
    const signed = { ...record, attempts: [...record.attempts, attempt] };
    await this.outbox.save(signed);
    job.record = signed;
    this.signed.add(job);
    job.say({ stage: "signed", hash });
    await this.send(job, signal);
  }

  /** Hands in the newest attempt of a signed job. */
  async send(job: Job, signal: AbortSignal): Promise<void> {
    const attempt = job.record!.attempts.at(-1)!;
    const answer = await send(attempt.raw, this.init.eth, signal);
    this.sentNow = true;
    job.outbid = answer === "outbid";
    if (answer === "taken") {
      job.sentAt = this.init.now() * 1000;
      job.say({ stage: "sent", hash: attempt.hash });
    } else if (answer === "outbid") job.wait("fee_ceiling");
    else if (answer !== "nonce_used") job.wait(answer);
  }

  /** A signed job is over: on disk, then told. */
  async finish(job: Job, record: IntentRecord, outcome: Outcome): Promise<void> {
    const unused = !outcome.ok && outcome.code === "nonce_taken" && isFiller(record);
    if (!unused || !(await this.outbox.takeBack(record, outcome, 0)))
      await this.outbox.finish(record, outcome);
    this.end(job, outcome);
  }

  /** A job is over, and nothing of that needs to be remembered. */
  end(job: Job, outcome: Outcome): void {
    this.jobs.delete(job.intent.id);
    this.signed.delete(job);
    job.end(outcome);
  }
}

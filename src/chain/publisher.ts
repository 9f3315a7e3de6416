import type { Hex } from "../protocol/bytes.ts";
import { type Account, signTransaction } from "./account.ts";
import { ChainError, type ChainFailure, failureOf } from "./error.ts";
import type { Call, Eth, Header, Receipt } from "./eth.ts";
import { DEFAULT_FEE_POLICY, type FeePolicy, type Fees } from "./fees.ts";
import {
  type Intent,
  type IntentRecord,
  MAX_INTENT_ID_CHARS,
  type Outcome,
  type SubmitOptions,
  sameContent,
} from "./intent.ts";
import { byNonce, byUrgency, Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import { Outbox } from "./outbox.ts";
import { Pricing } from "./pricing.ts";
import { outcomeOf, receiptOf } from "./receipt.ts";
import { send } from "./send.ts";
import { simulate } from "./simulate.ts";
import { Alarm, orAborted } from "./wait.ts";

export interface PublisherInit {
  readonly eth: Eth;
  /** A journal of this account's own. */
  readonly journal: Journal;
  readonly chainId: bigint;
  readonly account: Account;
  /** Blocks a transaction must have, its own included; 0 means the same as 1. */
  readonly confirmations: number;
  readonly fees?: Partial<FeePolicy>;
  /** Milliseconds between looks at the chain while anything is under way; nothing is asked otherwise. Default 2,000. */
  readonly pollMs?: number;
  /** Our clock, Unix seconds. */
  readonly now?: () => number;
  readonly onStatus?: (status: PublisherStatus) => void;
  /**
   * A transaction of the account is confirmed, whatever it did: what its gas cost, wei. At least once per transaction,
   * before its intent is over; a rejection stalls the publisher as a journal that cannot be written does.
   */
  readonly onMined?: (cost: MinedCost) => Promise<void>;
}

export interface MinedCost {
  readonly hash: Hex;
  readonly intent: string;
  readonly gasUsed: bigint;
  readonly amount: bigint;
  /** It did what its intent was for: no revert, no cancellation. */
  readonly done: boolean;
}

/** What the publisher says about itself. */
export type PublisherStatus =
  | { readonly kind: "outage"; readonly failure: ChainFailure }
  | { readonly kind: "recovered" }
  /** Not the chain: a journal that cannot be written (disk full), an account that does not sign. Tried again. */
  | { readonly kind: "stalled"; readonly error: unknown };

/** Signed and unmined at once: geth keeps 16 of an account whatever happens. */
export const MAX_OPEN = 16;

/** Intents waiting for a nonce: every channel of a large node may want to act at once. */
const MAX_JOBS = 100_000;

/** An unmined transaction is handed in again after this long: pools forget. */
const RESEND_MS = 10_000;

/**
 * Turns and milliseconds without a receipt for a used nonce before someone else is held to have used it: receipts are
 * indexed late, and servers behind one address lag. A wrong verdict could have a deposit made twice.
 */
const UNACCOUNTED_TURNS = 3;
const UNACCOUNTED_MS = 60_000;

/** Longest pause between turns while the chain does not answer. */
const MAX_PAUSE_MS = 15_000;

/** Looks again this soon after sending: chains that mine on demand have it at once. */
const FIRST_LOOK_MS = 100;

/**
 * Publishes the account's transactions: one loop, nonces strictly in order, each attempt on disk before it leaves.
 * An intent keeps its nonce and its content for ever; only its fees change, or it is cancelled.
 */
export class Publisher {
  readonly #init: PublisherInit;
  readonly #pricing: Pricing;
  readonly #outbox: Outbox;
  readonly #jobs = new Map<string, Job>();
  /** Those of the jobs that have a record; at most {@link MAX_OPEN} and what a reorganisation freed. */
  readonly #signed = new Set<Job>();
  readonly #alarm = new Alarm();
  readonly #stopping = new AbortController();
  readonly #needed: number;
  readonly #pollMs: number;
  readonly #now: () => number;
  #running: Promise<void> | undefined;
  #order = 0;
  #sentNow = false;
  #checked = false;
  #failures = 0;
  #outage = false;
  /** A write failed without saying whether it took: the journal is read again before anything is signed. */
  #unsure = false;

  constructor(init: PublisherInit) {
    this.#init = init;
    this.#outbox = new Outbox(init.journal);
    this.#needed = Math.max(1, init.confirmations);
    this.#pollMs = init.pollMs ?? 2_000;
    this.#now = init.now ?? (() => Date.now() / 1000);
    const policy = { ...DEFAULT_FEE_POLICY, ...init.fees };
    this.#pricing = new Pricing(policy, init.eth, init.account.address, this.#now);
  }

  /** Takes up what was under way, and sends it again. Throws `journal_damaged`. */
  async start(): Promise<void> {
    for (const record of await this.#outbox.load()) this.#adopt(record);
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Ends the loop; what was sent stays sent and is taken up at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("the publisher was stopped", "AbortError"));
    await this.#running;
  }

  /**
   * Publishes an intent and resolves when it is over; the same id and content again joins or repeats the outcome (and
   * keeps the first deadline).
   * An abort ends the waiting, not the transaction: {@link cancel} does that.
   */
  async submit(intent: Intent, options: SubmitOptions): Promise<Outcome> {
    if (intent.id === "" || intent.id.length > MAX_INTENT_ID_CHARS) throw new RangeError("intent id");
    const signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    signal.throwIfAborted();
    let job = this.#jobs.get(intent.id);
    if (job === undefined) {
      if (this.#jobs.size >= MAX_JOBS) return { ok: false, code: "publisher_full", waiting: this.#jobs.size };
      job = new Job(intent, this.#order++);
      job.mayLeave = options.mayLeave;
      this.#jobs.set(intent.id, job);
      this.#alarm.wake();
    } else if (!sameContent(job.intent, intent)) {
      return { ok: false, code: "intent_conflict", id: intent.id };
    }
    const unlisten = job.listen(options.onProgress);
    try {
      return await orAborted(job.outcome, signal);
    } finally {
      unlisten();
    }
  }

  /**
   * Asks that an intent not be carried out; forgotten by a restart until its cancellation is signed: unsigned it is dropped, signed its nonce is spent on an empty transfer to ourselves.
   * Which of the two gets mined decides the outcome. Does nothing for an intent that is over.
   */
  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.cancelRequested = true;
    this.#alarm.wake();
  }

  /** Looks at the chain now rather than at the next turn. */
  poke(): void {
    this.#alarm.wake();
  }

  /** Blocks were replaced: whatever is not known to be in one is sent again, since the pool may have lost it too. */
  reorganised(): void {
    for (const job of this.#signed) if (!job.mined) job.sentAt = 0;
    this.#alarm.wake();
  }

  /** Whether an intent was ever signed under this id. */
  async knows(id: string): Promise<boolean> {
    return this.#jobs.get(id)?.record !== undefined || (await this.#outbox.find(id)) !== undefined;
  }

  /** Wei that what is under way may still take from the account: values, and the gas of what is signed. */
  get owed(): bigint {
    let owed = 0n;
    for (const { intent, record, mined } of this.#jobs.values()) {
      if (mined) continue;
      owed += intent.value + (record?.gasLimit ?? 0n) * (record?.attempts.at(-1)?.maxFee ?? 0n);
    }
    return owed;
  }

  /** Ids of the intents that are not over. */
  pending(): string[] {
    return [...this.#jobs.keys()];
  }

  async #run(signal: AbortSignal): Promise<void> {
    let reconciled = false;
    while (!signal.aborted) {
      try {
        this.#sentNow = false;
        if (this.#jobs.size > 0 || (!reconciled && this.#outbox.next > 0)) await this.#turn(signal);
        reconciled = true;
        this.#recovered();
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
      }
      await this.#alarm.wait(this.#pause(), signal).catch(() => {});
    }
  }

  /** Undefined: nothing to do until someone submits. */
  #pause(): number | undefined {
    if (this.#failures > 0)
      return Math.min(MAX_PAUSE_MS, this.#pollMs * 2 ** Math.min(this.#failures - 1, 6));
    if (this.#jobs.size === 0) return undefined;
    return this.#sentNow ? Math.min(this.#pollMs, FIRST_LOOK_MS) : this.#pollMs;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { eth, chainId, account } = this.#init;
    const options = { signal, retries: 0 };
    if (!this.#checked) {
      const actual = await eth.chainId(options);
      if (actual !== chainId) throw new ChainError({ code: "wrong_chain", expected: chainId, actual });
      this.#checked = true;
    }
    if (this.#unsure) {
      for (const record of await this.#outbox.load()) this.#adopt(record);
      this.#unsure = false;
    }
    const head = await eth.newestHeader(options);
    const count = await eth.transactionCount(account.address, "latest", options);
    await this.#reopen(count);
    for (const job of this.#open()) await this.#track(job, head, count, signal);
    const waiting = [...this.#jobs.values()].filter(({ record }) => record === undefined).sort(byUrgency);
    for (const job of waiting) {
      if (this.#signed.size >= MAX_OPEN) break;
      if (job.record !== undefined) continue;
      await this.#admit(job, head, count, signal);
    }
  }

  #open(): Job[] {
    return [...this.#signed].sort(byNonce);
  }

  #adopt(record: IntentRecord): Job {
    const { id, to, data, value, deadline } = record;
    const intent = deadline === undefined ? { id, to, data, value } : { id, to, data, value, deadline };
    const job = this.#jobs.get(id) ?? new Job(intent, this.#order++);
    job.record = record;
    this.#jobs.set(id, job);
    this.#signed.add(job);
    return job;
  }

  /** A reorganisation that freed the nonces of finished intents: they are sent again before anything else may use them. */
  async #reopen(count: number): Promise<void> {
    const lowest = this.#open()[0]?.record?.nonce ?? this.#outbox.next;
    if (count >= lowest) return;
    for (const record of await this.#outbox.freedBy(count)) {
      const reopened = { ...record, outcome: undefined };
      await this.#outbox.save(reopened);
      this.#adopt(reopened).wait("reorganised");
    }
    const first = this.#open()[0]?.record?.nonce ?? this.#outbox.next;
    if (first > count) {
      const reason = `the chain counts ${count} transactions of the account, the journal ${first}`;
      throw new ChainError({ code: "rpc_inconsistent", reason, block: 0 });
    }
  }

  async #track(job: Job, head: Header, count: number, signal: AbortSignal): Promise<void> {
    const record = job.record!;
    if (record.nonce < count) {
      const receipt = await receiptOf(record, this.#init.eth, signal);
      if (receipt !== undefined) await this.#settle(job, record, receipt, head, signal);
      else await this.#unaccounted(job, record, head, count, signal);
      return;
    }
    job.unaccounted = 0;
    if (job.mined) {
      job.mined = false;
      job.sentAt = 0;
      job.wait("reorganised");
    }
    if (await this.#offerMore(job, record, head, signal)) return;
    if (this.#now() * 1000 - job.sentAt >= RESEND_MS) await this.#send(job, signal);
  }

  async #settle(
    job: Job,
    record: IntentRecord,
    receipt: Receipt,
    head: Header,
    signal: AbortSignal,
  ): Promise<void> {
    job.mined = true;
    job.unaccounted = 0;
    const confirmations = Math.max(1, head.number - receipt.blockNumber + 1);
    const hash = receipt.transactionHash;
    const needed = this.#needed;
    job.say({ stage: "mined", hash, confirmations, needed });
    if (confirmations < needed) return;
    const { account, eth, onMined } = this.#init;
    const outcome = await outcomeOf(record, receipt, account.address, eth, signal);
    const { gasUsed } = receipt;
    const amount = gasUsed * receipt.effectiveGasPrice;
    await onMined?.({ hash, intent: record.id, gasUsed, amount, done: outcome.ok });
    await this.#finish(job, record, outcome);
    job.say({ stage: "confirmed", hash, confirmations, needed });
  }

  /** The nonce is used and none of ours is to be found: a receipt that is late, or someone else's transaction. */
  async #unaccounted(
    job: Job,
    record: IntentRecord,
    head: Header,
    count: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (job.unaccounted++ === 0) job.unaccountedSince = this.#now() * 1000;
    const waited = this.#now() * 1000 - job.unaccountedSince;
    if (job.unaccounted < UNACCOUNTED_TURNS || waited < UNACCOUNTED_MS) return;
    const { eth, account } = this.#init;
    const deep = Math.max(0, head.number - this.#needed + 1);
    const sure = deep === head.number ? count : await eth.transactionCount(account.address, deep, { signal });
    if (sure <= record.nonce) return;
    await this.#finish(job, record, { ok: false, code: "nonce_taken", nonce: record.nonce });
  }

  /** Signs a replacement when it is due and allowed. True when one was sent. */
  async #offerMore(job: Job, record: IntentRecord, head: Header, signal: AbortSignal): Promise<boolean> {
    const cancels = job.cancelRequested || record.cancelling;
    const self = this.#init.account.address;
    const content: Call = cancels ? { to: self, data: "0x", value: 0n } : record;
    const offer = await this.#pricing.next(
      job,
      record,
      content.value,
      cancels,
      head,
      this.#jobs.values(),
      signal,
    );
    if (offer === undefined) return false;
    if (typeof offer === "string") {
      job.wait(offer);
      return false;
    }
    await this.#attempt(job, { ...record, cancelling: cancels }, content, offer, signal);
    return true;
  }

  /** Gives a waiting intent its nonce and sends it, or ends it with a refusal. */
  async #admit(job: Job, head: Header, count: number, signal: AbortSignal): Promise<void> {
    const { intent } = job;
    const { eth, account } = this.#init;
    const before = await this.#outbox.find(intent.id);
    if (before !== undefined) return this.#end(job, repeated(intent, before));
    if (job.cancelRequested) return this.#end(job, { ok: false, code: "tx_cancelled", hash: undefined });
    if (intent.deadline !== undefined && head.timestamp > intent.deadline) {
      const { deadline } = intent;
      return this.#end(job, { ok: false, code: "deadline_passed", deadline, time: head.timestamp });
    }
    let simulated: Awaited<ReturnType<typeof simulate>>;
    try {
      simulated = await simulate(account.address, intent, eth, { signal, retries: 0 });
    } catch (error) {
      if (failureOf(error)?.code !== "rpc_error") throw error;
      return job.wait("rpc_refused"); // the others need not wait for it
    }
    if (!simulated.ok) return this.#end(job, simulated);
    const { gasLimit } = simulated;
    const nonce = Math.max(this.#outbox.next, count);
    const jobs = this.#jobs.values();
    const fees = await this.#pricing.first(intent, gasLimit, nonce, head, jobs, this.#signed, signal);
    if ("code" in fees) return this.#end(job, fees);
    if (job.mayLeave?.() === false)
      return this.#end(job, { ok: false, code: "tx_cancelled", hash: undefined });
    const { id, to, data, value, deadline } = intent;
    const record = { id, to, data, value, deadline, nonce, gasLimit, attempts: [], cancelling: false };
    await this.#attempt(job, { ...record, outcome: undefined }, intent, fees, signal);
  }

  /** Signs, journals, sends: in this order, always. */
  async #attempt(
    job: Job,
    record: IntentRecord,
    content: Call,
    fees: Fees,
    signal: AbortSignal,
  ): Promise<void> {
    const { chainId, account } = this.#init;
    const { to, data, value } = content;
    const { nonce, gasLimit } = record;
    const { maxFee, priority } = fees;
    const unsigned = { chainId, nonce, to, data, value, gasLimit, maxFee, priority };
    const { raw, hash } = await signTransaction(unsigned, account);
    const attempt = { hash, raw, maxFee, priority, at: this.#now() * 1000, cancels: record.cancelling };
    const signed = { ...record, attempts: [...record.attempts, attempt] };
    await this.#outbox.save(signed);
    job.record = signed;
    this.#signed.add(job);
    job.say({ stage: "signed", hash });
    await this.#send(job, signal);
  }

  async #send(job: Job, signal: AbortSignal): Promise<void> {
    const attempt = job.record!.attempts.at(-1)!;
    const answer = await send(attempt.raw, this.#init.eth, signal);
    this.#sentNow = true;
    job.outbid = answer === "outbid";
    if (answer === "taken") {
      job.sentAt = this.#now() * 1000;
      job.say({ stage: "sent", hash: attempt.hash });
    } else if (answer === "outbid") job.wait("fee_ceiling");
    else if (answer !== "nonce_used") job.wait(answer);
  }

  async #finish(job: Job, record: IntentRecord, outcome: Outcome): Promise<void> {
    await this.#outbox.finish(record, outcome);
    this.#end(job, outcome);
  }

  #end(job: Job, outcome: Outcome): void {
    this.#jobs.delete(job.intent.id);
    this.#signed.delete(job);
    job.end(outcome);
  }

  #recovered(): void {
    this.#failures = 0;
    if (!this.#outage) return;
    this.#outage = false;
    this.#init.onStatus?.({ kind: "recovered" });
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#checked = false;
    const failure = failureOf(error);
    if (failure === undefined) this.#unsure = true;
    else if (failure.code === "rpc_inconsistent" || failure.code === "rpc_bad_answer") {
      this.#init.eth.doubt(failure);
    }
    for (const job of this.#jobs.values()) job.wait(failure === undefined ? "stalled" : "rpc_down");
    if (this.#outage) return;
    this.#outage = true;
    this.#init.onStatus?.(failure === undefined ? { kind: "stalled", error } : { kind: "outage", failure });
  }
}

/** What a submission of an id that is already over gets. */
function repeated(intent: Intent, before: IntentRecord): Outcome {
  if (!sameContent(intent, before) || before.outcome === undefined) {
    return { ok: false, code: "intent_conflict", id: intent.id };
  }
  return before.outcome;
}

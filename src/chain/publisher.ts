import type { Account } from "./account.ts";
import { admit } from "./admit.ts";
import { ChainError, type ChainFailure, failureOf } from "./error.ts";
import type { Eth } from "./eth.ts";
import { DEFAULT_FEE_POLICY, type FeePolicy } from "./fees.ts";
import { follow } from "./follow.ts";
import { type Intent, MAX_INTENT_ID_CHARS, type Outcome, type SubmitOptions, sameContent } from "./intent.ts";
import type { Journal } from "./journal.ts";
import { Line, type MinedCost } from "./line.ts";
import { Nonces } from "./nonces.ts";
import { Alarm, orAborted } from "./wait.ts";

export { MAX_OPEN, type MinedCost } from "./line.ts";

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

/** What the publisher says about itself. */
export type PublisherStatus =
  | { readonly kind: "outage"; readonly failure: ChainFailure }
  | { readonly kind: "recovered" }
  /** Not the chain: a journal that cannot be written (disk full), an account that does not sign. Tried again. */
  | { readonly kind: "stalled"; readonly error: unknown };

/** Intents waiting for a nonce: every channel of a large node may want to act at once. */
const MAX_JOBS = 100_000;

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
  readonly #line: Line;
  readonly #nonces: Nonces;
  readonly #alarm = new Alarm();
  readonly #stopping = new AbortController();
  readonly #pollMs: number;
  #running: Promise<void> | undefined;
  #checked = false;
  #failures = 0;
  #outage = false;
  /** A write failed without saying whether it took: the journal is read again before anything is signed. */
  #unsure = false;

  constructor(init: PublisherInit) {
    this.#init = init;
    this.#pollMs = init.pollMs ?? 2_000;
    const { eth, journal, chainId, account, confirmations, onMined } = init;
    const needed = Math.max(1, confirmations);
    const now = init.now ?? (() => Date.now() / 1000);
    const fees = { ...DEFAULT_FEE_POLICY, ...init.fees };
    this.#line = new Line({ eth, journal, chainId, account, needed, fees, now, onMined });
    this.#nonces = new Nonces(this.#line);
  }

  /** Takes up what was under way, and sends it again. Throws `journal_damaged`. */
  async start(): Promise<void> {
    await this.#line.load();
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
    let job = this.#line.jobs.get(intent.id);
    if (job === undefined) {
      if (this.#line.jobs.size >= MAX_JOBS)
        return { ok: false, code: "publisher_full", waiting: this.#line.jobs.size };
      job = this.#line.add(intent);
      job.mayLeave = options.mayLeave;
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
    const job = this.#line.jobs.get(id);
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
    for (const job of this.#line.signed) if (!job.mined) job.sentAt = 0;
    this.#alarm.wake();
  }

  /** Whether an intent was ever signed under this id. */
  async knows(id: string): Promise<boolean> {
    return this.#line.jobs.get(id)?.record !== undefined || (await this.#line.outbox.find(id)) !== undefined;
  }

  /** Wei that what is under way may still take from the account: values, and the gas of what is signed. */
  get owed(): bigint {
    let owed = 0n;
    for (const { intent, record, mined } of this.#line.jobs.values()) {
      if (mined) continue;
      owed += intent.value + (record?.gasLimit ?? 0n) * (record?.attempts.at(-1)?.maxFee ?? 0n);
    }
    return owed;
  }

  /** Ids of the intents that are not over. */
  pending(): string[] {
    return [...this.#line.jobs.keys()];
  }

  /** The intents whose calls have not happened yet, as far as was seen. */
  unmined(): Intent[] {
    return [...this.#line.jobs.values()].filter(({ mined }) => !mined).map(({ intent }) => intent);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let reconciled = false;
    while (!signal.aborted) {
      try {
        this.#line.sentNow = false;
        if (this.#line.jobs.size > 0 || (!reconciled && this.#line.outbox.next > 0)) await this.#turn(signal);
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
    if (this.#line.jobs.size === 0) return undefined;
    return this.#line.sentNow ? Math.min(this.#pollMs, FIRST_LOOK_MS) : this.#pollMs;
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
      await this.#line.load();
      this.#unsure = false;
    }
    const head = await eth.newestHeader(options);
    const count = await eth.transactionCount(account.address, "latest", options);
    const look = { head, count, signal };
    await this.#nonces.reclaim(look);
    for (const job of this.#line.open()) await follow(job, this.#line, look);
    const waiting = this.#line.waiting();
    if (waiting.length === 0 || !(await this.#nonces.isAgreed(look))) return;
    for (const job of waiting) {
      if (!this.#line.hasRoom) break;
      if (job.record === undefined) await admit(job, this.#line, look);
    }
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
    for (const job of this.#line.jobs.values()) job.wait(failure === undefined ? "stalled" : "rpc_down");
    if (this.#outage) return;
    this.#outage = true;
    this.#init.onStatus?.(failure === undefined ? { kind: "stalled", error } : { kind: "outage", failure });
  }
}

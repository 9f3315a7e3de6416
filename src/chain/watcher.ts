import type { Address } from "../protocol/address.ts";
import type { ChannelId } from "../protocol/channel.ts";
import { ChainError, type ChainFailure, failureOf } from "./error.ts";
import { Escrow, type EscrowState } from "./escrow.ts";
import type { Eth, Header } from "./eth.ts";
import type { EscrowEvent, EventPlace } from "./event.ts";
import { BLOCK_MISSING, checkHead, checkTime, follow, type HeadLimits } from "./head.ts";
import type { Journal } from "./journal.ts";
import { LogRange } from "./logRange.ts";
import { type PollPace, pollDelay } from "./pace.ts";
import { Reader } from "./reader.ts";
import { Trail } from "./trail.ts";
import { Alarm, orAborted } from "./wait.ts";

/** An escrow event and what became of it: in a block, deep enough, or gone with a reorganisation. */
export type ChainNotice = EscrowEvent &
  EventPlace & {
    readonly stage: "seen" | "confirmed" | "removed";
    /** Whether its confirmation has been or is being delivered; a `removed` that was confirmed says so. */
    readonly confirmed: boolean;
    /** The same for every delivery of the same event: block hash and log index. */
    readonly id: string;
  };

/** What the watcher says about the chain itself. */
export type WatcherStatus =
  | { readonly kind: "head"; readonly head: Header }
  | { readonly kind: "reorganisation"; readonly ancestor: number; readonly depth: number }
  /** Nothing new is learnt until `recovered`; repeated when the failure's code changes. */
  | { readonly kind: "outage"; readonly failure: ChainFailure }
  | { readonly kind: "recovered"; readonly downMs: number }
  /** The consumer's handler or the journal failed; the same notice is delivered again. */
  | { readonly kind: "stalled"; readonly error: unknown };

export interface WatcherInit extends Partial<HeadLimits>, Partial<PollPace> {
  readonly eth: Eth;
  readonly journal: Journal;
  readonly chainId: bigint;
  readonly escrow: Address;
  /** The block to read from when the journal is empty: the escrow's deployment. */
  readonly fromBlock: number;
  /** Blocks an event must have, its own included; 0 means the same as 1. */
  readonly confirmations: number;
  /** Which channels' events are delivered. */
  readonly knows: (channelId: ChannelId) => boolean;
  /** Whose fetched payouts are delivered too: those are of an account, and of no channel. */
  readonly payoutsOf?: Address;
  /** Takes one notice at a time, in order; resolves once it is durable. At least once each. */
  readonly handler: (notice: ChainNotice) => Promise<void>;
  readonly onStatus?: (status: WatcherStatus) => void;
  /** Our clock, Unix seconds. */
  readonly now?: () => number;
}

/** Ethereum finalises after 64 blocks; chains with weaker finality set their own. */
export const DEFAULT_REORG_BOUND = 128;

/** Seconds a block may lie in our future: miners' slack plus a badly set clock. */
export const DEFAULT_MAX_FUTURE_SECONDS = 900;

/** Contradicting answers in a row before they count as an outage: one is a reorganisation between two calls. */
const INCONSISTENT_POLLS = 3;

/** Polls in a row that miss a known block before it counts as replaced: some servers lose one for good in a reorganisation. */
const MISSING_POLLS = 6;

/** What a server says of itself by these failures is not true, or not of use: another is asked where there is one. */
const DOUBTFUL: readonly ChainFailure["code"][] = [
  "rpc_lying_head",
  "rpc_bad_answer",
  "rpc_inconsistent",
  "contract_missing",
];

const RECORD = "trail";

/** Follows the escrow's events and the chain's time; survives outages, reorganisations and restarts without loss. */
export class Watcher {
  readonly #init: WatcherInit;
  readonly #limits: HeadLimits;
  readonly #pace: PollPace;
  readonly #escrow: Escrow;
  readonly #reader: Reader;
  /** Confirmations needed, at least one: a block's own. */
  readonly #depth: number;
  readonly #now: () => number;
  readonly #alarm = new Alarm();
  readonly #stopping = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #trail: Trail | undefined;
  #running: Promise<void> | undefined;
  #outage: { failure: ChainFailure; since: number } | undefined;
  #checked = false;
  /** The head up to which this process has read and delivered everything. */
  #completed: string | undefined;
  #failures = 0;
  /** Polls in a row that failed for a missing block. */
  #missing = 0;

  constructor(init: WatcherInit) {
    this.#init = init;
    this.#limits = {
      reorgBound: Math.max(init.reorgBound ?? DEFAULT_REORG_BOUND, init.confirmations),
      maxFutureSeconds: "maxFutureSeconds" in init ? init.maxFutureSeconds : DEFAULT_MAX_FUTURE_SECONDS,
    };
    this.#pace = { minPollMs: init.minPollMs ?? 1_000, maxPollMs: init.maxPollMs ?? 15_000 };
    this.#escrow = new Escrow(init.escrow, init.eth);
    const { eth, knows, payoutsOf, handler } = init;
    this.#depth = Math.max(1, init.confirmations);
    const range = new LogRange(eth, init.escrow);
    this.#reader = new Reader({ eth, knows, payoutsOf, handler, depth: this.#depth, range });
    this.#now = init.now ?? (() => Date.now() / 1000);
    this.#ready.promise.catch(() => {}); // whoever awaits `ready` hears of it
  }

  /** Loads the journal and begins to follow. Throws `journal_damaged`; an unreachable chain is only a status. */
  async start(): Promise<void> {
    const record = await this.#init.journal.read(RECORD);
    this.#trail = record === undefined ? Trail.startingAt(this.#init.fromBlock) : Trail.fromRecord(record);
    this.#running = this.#run(this.#trail, this.#stopping.signal);
  }

  /**
   * Resolves after the first complete poll; rejects with `wrong_chain`, `contract_missing`, a `rpc_lying_head` that lies
   * in our future (our clock is wrong, or every server lies) or the abort reason.
   */
  async ready(signal: AbortSignal): Promise<void> {
    await orAborted(this.#ready.promise, signal);
  }

  /** Ends the following and waits for the delivery under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("the watcher was stopped", "AbortError"));
    this.#ready.reject(this.#stopping.signal.reason);
    await this.#running;
  }

  /** Looks at the chain now rather than at the next poll. */
  poke(): void {
    this.#alarm.wake();
  }

  /** The newest block known, or undefined before the first. */
  newestBlock(): Header | undefined {
    return this.#trail?.newest;
  }

  /** The newest known block with the configured confirmations. */
  confirmedBlock(): Header | undefined {
    const newest = this.#trail?.newest;
    if (newest === undefined) return undefined;
    return this.#trail?.headerUpTo(this.#boundary(newest));
  }

  /** Unix seconds: decides what frees us. Undefined until known. */
  confirmedTime(): number | undefined {
    return this.confirmedBlock()?.timestamp;
  }

  /** Unix seconds: with our own clock, the later of the two decides what binds us. */
  newestTime(): number | undefined {
    return this.newestBlock()?.timestamp;
  }

  /** Seconds between our clock and the newest block, at least 0: how long the chain has been silent to us. */
  newestBlockAge(): number | undefined {
    const time = this.newestTime();
    return time === undefined ? undefined : Math.max(0, this.#now() - time);
  }

  /** Why nothing is learnt at present, or undefined when all is well. */
  outage(): ChainFailure | undefined {
    return this.#outage?.failure;
  }

  /**
   * What the escrow holds about a channel at the newest or the newest confirmed block, and that block.
   * Read by block hash, so that state and time belong together. Throws {@link ChainError}.
   */
  async readChannel(
    channelId: ChannelId,
    at: "newest" | "confirmed",
    signal: AbortSignal,
  ): Promise<{ readonly state: EscrowState; readonly block: Header }> {
    const block = at === "newest" ? this.newestBlock() : this.confirmedBlock();
    if (block === undefined) {
      throw new ChainError({ code: "rpc_inconsistent", reason: "no such block is known yet", block: 0 });
    }
    const state = await this.#escrow.channelState(channelId, { blockHash: block.hash }, { signal });
    return { state, block };
  }

  async #run(trail: Trail, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#poll(trail, signal);
        this.#recovered();
        this.#ready.resolve();
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
      }
      const delay = pollDelay(trail.headers, this.#pace, this.#failures);
      await this.#alarm.wait(delay, signal).catch(() => {});
    }
  }

  async #poll(trail: Trail, signal: AbortSignal): Promise<void> {
    const { eth, journal, chainId, escrow } = this.#init;
    const options = { signal };
    if (!this.#checked) {
      await eth.checkChain(chainId, escrow, options);
      this.#checked = true;
    }
    const head = await eth.newestHeader(options);
    if (head.hash === this.#completed) return;
    checkHead(head, trail, this.#limits, this.#now());
    const course =
      head.hash === trail.newest?.hash
        ? undefined
        : await follow(
            head,
            trail,
            eth,
            this.#limits,
            this.#missing >= MISSING_POLLS ? "replaced" : "contradiction",
            options,
          );
    if (course?.kind === "lags") return;
    const save = async () => {
      trail.prune(this.#limits.reorgBound);
      await journal.write({ [RECORD]: trail.toRecord() });
    };
    try {
      if (course?.kind === "reorganises") await this.#rewind(trail, course.ancestor);
      checkTime(head, trail, this.#limits);
      await this.#reader.read(trail, head, options, save);
      await this.#addHeaders(trail, head, options.signal);
    } finally {
      await save();
    }
    this.#completed = head.hash;
    this.#say({ kind: "head", head });
  }

  /** Takes back, newest first, what stood above `ancestor`. */
  async #rewind(trail: Trail, ancestor: number): Promise<void> {
    const newest = trail.newest?.number ?? ancestor;
    this.#say({ kind: "reorganisation", ancestor, depth: newest - ancestor });
    await this.#reader.remove(trail, ancestor);
    trail.rewindTo(ancestor);
  }

  /** The head, and the newest confirmed block where the head jumped over it. */
  async #addHeaders(trail: Trail, head: Header, signal: AbortSignal): Promise<void> {
    const boundary = this.#boundary(head);
    if (boundary >= 0 && boundary !== head.number && trail.headerAt(boundary) === undefined) {
      const header = await this.#init.eth.header(boundary, { signal });
      if (header !== undefined) trail.addHeader(header);
    }
    trail.addHeader(head);
  }

  /** The newest block number with the configured confirmations under `head`. */
  #boundary(head: Header): number {
    return head.number - this.#depth + 1;
  }

  #recovered(): void {
    this.#failures = 0;
    this.#missing = 0;
    if (this.#outage === undefined) return;
    const downMs = Math.round((this.#now() - this.#outage.since) * 1000);
    this.#outage = undefined;
    this.#say({ kind: "recovered", downMs });
  }

  #failed(error: unknown): void {
    this.#failures++;
    const failure = failureOf(error);
    if (failure?.code === "rpc_inconsistent" && failure.reason === BLOCK_MISSING) this.#missing++;
    if (failure === undefined) {
      this.#say({ kind: "stalled", error });
      return;
    }
    // After an outage the same address may be another server: who answers is checked again.
    this.#checked = false;
    if (failure.code === "rpc_inconsistent" && this.#failures < INCONSISTENT_POLLS) return;
    const another = DOUBTFUL.includes(failure.code) && this.#init.eth.doubt(failure);
    if (!another && preventsStart(failure)) this.#ready.reject(error);
    const before = this.#outage;
    this.#outage = { failure, since: before?.since ?? this.#now() };
    if (before?.failure.code !== failure.code) this.#say({ kind: "outage", failure });
  }

  #say(status: WatcherStatus): void {
    this.#init.onStatus?.(status);
  }
}

/** Failures that no patience mends. */
function preventsStart(failure: ChainFailure): boolean {
  if (failure.code === "rpc_lying_head") return failure.reason === "future";
  return failure.code === "wrong_chain" || failure.code === "contract_missing";
}

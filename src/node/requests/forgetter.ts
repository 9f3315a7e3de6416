import type { NodeContext } from "../context.ts";
import { type KeptNames, type KeptRequest, makerKey, PLACE } from "./keptRequests.ts";
import { NAMESPACE, type StoredRequest, splitTimeKey, timeKey } from "./requestRecord.ts";

const DAY_SECONDS = 86_400;

/** An unpaid request is remembered for so long after its expiry, seconds: 30 days. */
export const REMEMBERED_SECONDS = 30 * DAY_SECONDS;

/** Of one maker so many are remembered; beyond that, those that expired first are forgotten sooner. */
export const MAX_KEPT_OF_ONE = 100_000;

/** Nothing is forgotten sooner after its expiry, seconds: an hour is more than clocks differ and payments are late. */
export const LEAST_REMEMBERED_SECONDS = 3_600;

/** How often it is looked for what is to be forgotten. */
const ROUND_MS = 60_000;

/** Requests forgotten in one batch, and in one round: thirty times what one maker makes in that time. */
const PAGE = 256;
const MAX_OF_ROUND = 40 * PAGE;

interface ForgetterInit {
  readonly context: NodeContext;
  /** The database may have lost payments: what comes again is judged without its expiry, so that nothing is forgotten. */
  readonly lost: boolean;
  /** Our clock, Unix seconds. */
  readonly now: () => number;
}

/**
 * Forgets what expired unpaid. Paid requests stay for ever, since the books name them. What pays a forgotten one later
 * is given back: its secret is known without it.
 */
export class Forgetter {
  readonly #init: ForgetterInit;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(init: ForgetterInit) {
    this.#init = init;
  }

  open(): void {
    const { stopping } = this.#init.context;
    this.#timer = setInterval(() => {
      this.round().catch((error: unknown) => this.#failed(error));
    }, ROUND_MS).unref();
    stopping.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
  }

  /** Forgets what is due, so much at most; resolves once that is written. */
  round(): Promise<void> {
    this.#running ??= this.#round().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #round(): Promise<void> {
    const { lost, context } = this.#init;
    if (lost) return;
    let left = MAX_OF_ROUND;
    const { kept } = context.requests;
    left -= await this.#index(left);
    // A page of each in turn: whoever has most to forget holds up nobody.
    for (let makers = kept.makers(); makers.length > 0 && left > 0; ) {
      const unfinished: string[] = [];
      for (const maker of makers) {
        const forgotten = await this.#forget(maker);
        left -= forgotten;
        if (forgotten === PAGE) unfinished.push(maker);
      }
      makers = unfinished;
    }
  }

  /** The earlier of our clock and the chain's, Unix seconds: one that is wrong alone has nothing forgotten. */
  #time(): number {
    const { now, context } = this.#init;
    return Math.min(now(), Number(context.chain.newestTime()));
  }

  /** Forgets one page at most of a maker's. */
  async #forget(maker: string): Promise<number> {
    const { records, committer, requests, stopping } = this.#init.context;
    const { kept } = requests;
    const surplus = kept.countOf(maker) - MAX_KEPT_OF_ONE;
    const time = this.#time();
    const due = (await kept.first(maker, PAGE)).filter(([{ expiresAt }], i) => {
      const remembered = i < surplus ? LEAST_REMEMBERED_SECONDS : REMEMBERED_SECONDS;
      return expiresAt + remembered <= time;
    });
    if (due.length === 0) return 0;
    await committer.room(stopping);
    const unpaid = await requests.giveUp(due.map(([{ idKey }]) => idKey));
    // From here to the committer is one turn: what was given up is judged so, and the batch follows what paid before.
    const ops = due
      .filter(([{ idKey }]) => unpaid.has(idKey))
      .flatMap(([{ idKey, expiresAt }, { listed, named }]) => [
        records.deleteOp(NAMESPACE.request, idKey),
        records.deleteOp(NAMESPACE.open, timeKey(expiresAt, idKey)),
        records.deleteOp(NAMESPACE.byTime, listed),
        ...(named === undefined ? [] : [records.deleteOp(NAMESPACE.byKey, named)]),
      ]);
    const dropped = kept.drop(
      maker,
      due.map(([request]) => request),
    );
    const ever = records.putOp(NAMESPACE.forgotten, EVER, 1);
    await committer.commit([...ops, ...dropped, ever], { sync: false });
    return due.length;
  }

  /**
   * Indexes what was made before there was an index, once: it goes on where an earlier process was cut off. Returns how
   * many it read.
   */
  async #index(most: number): Promise<number> {
    const { records, committer, requests, stopping } = this.#init.context;
    let read = 0;
    for (
      let place = await records.get<Place>(NAMESPACE.indexed, PLACE);
      place?.done !== true && read < most;
    ) {
      const listed: string[] = [];
      const behind = { after: place?.after, limit: PAGE, signal: stopping };
      for await (const { key } of records.list(NAMESPACE.byTime, behind)) listed.push(key);
      await committer.room(stopping);
      const missing = await this.#missing(listed);
      place = listed.length < PAGE ? { done: true } : { after: listed.at(-1) };
      const ops = [...requests.kept.add(missing), records.putOp(NAMESPACE.indexed, PLACE, place)];
      await committer.commit(ops, { sync: false });
      read += listed.length;
    }
    return read;
  }

  async #missing(listed: readonly string[]): Promise<(readonly [KeptRequest, KeptNames])[]> {
    const { records, requests } = this.#init.context;
    const idKeys = listed.map((key) => splitTimeKey(key).idKey);
    const stored = await records.getMany<StoredRequest>(NAMESPACE.request, idKeys);
    const all = stored.flatMap((one, i): (readonly [KeptRequest, KeptNames])[] => {
      if (one === undefined) return [];
      const { maker, expiresAt } = one;
      return [[{ maker: makerKey(maker), idKey: idKeys[i]!, expiresAt }, { listed: listed[i]! }]];
    });
    const known = await requests.kept.known(all.map(([request]) => request));
    return all.filter((_, i) => !known[i]);
  }

  #failed(error: unknown): void {
    const { context } = this.#init;
    if (!context.stopping.aborted) context.fail(error);
  }
}

/** How far requests of before the index are in it. */
interface Place {
  readonly after?: string | undefined;
  readonly done?: boolean;
}

const EVER = "ever";

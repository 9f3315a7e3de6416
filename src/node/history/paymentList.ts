import type { Address, ChannelId, ChannelState, Side } from "../../protocol/index.ts";
import { channelIdToBytes } from "../../protocol/index.ts";
import { compareKeys, MAX_KEY_TIME, paymentTimeKey, paymentTimeRange, updateKey } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import type { ChannelFacts, ChannelFactsReader } from "./channelFacts.ts";
import {
  type Direction,
  finalThrough,
  indexed,
  type ListedPayment,
  type Placed,
  payerOf,
} from "./listedPayment.ts";
import {
  channelCursor,
  parseChannelCursor,
  parseTimeCursor,
  type Spot,
  type TimeSpot,
  timeCursor,
} from "./paymentCursor.ts";
import type { IndexedRun } from "./paymentIndex.ts";
import { type ReadRun, type RunFilter, readRuns, wantsChannel } from "./runPage.ts";
import { type StoredUpdate, stored, updatesDown } from "./updatePages.ts";

/** Payments on one page. */
const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 100;

/**
 * What is looked at for one page, in runs of the index and updates: a filter that hits little gives short pages with
 * a cursor instead of holding up the node. About 50 ms of work.
 */
const MAX_LOOKED_AT = 20_000;

/** Runs of the index fetched at once. */
const RUNS = 256;

export interface PaymentsQuery extends RunFilter {
  readonly label?: string | undefined;
  /** Written down at or after this time and before that one, Unix milliseconds. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** 1 to 1,000; 100 if not given. */
  readonly limit?: number | undefined;
  /** Goes on behind the page that gave it, with the same query. */
  readonly cursor?: string | undefined;
}

/** Newest first. A page can be shorter than asked for, and empty, while there is more: what counts is `next`. */
export interface PaymentPage {
  readonly items: readonly ListedPayment[];
  readonly next: string | undefined;
}

interface PaymentListInit {
  readonly store: StoreReader;
  readonly channels: ChannelFactsReader;
  readonly labelled: (placed: readonly Placed[]) => Promise<ListedPayment[]>;
  readonly channelsOf: (peer: Address) => ReadonlySet<ChannelId>;
  /** Whether updates are indexed by time. */
  readonly isIndexed: boolean;
}

/** An update at which a list has arrived, and how many of its payments are still to come. */
interface Head {
  readonly facts: ChannelFacts;
  readonly payer: Side;
  readonly stored: StoredUpdate;
  readonly final: boolean;
  /** Only payments below this index; all if absent. */
  readonly below: number | undefined;
}

/** The page being filled. */
interface Filling {
  readonly items: ListedPayment[];
  readonly limit: number;
  readonly label: string | undefined;
  lookedAt: number;
}

/** Payments of all channels in both directions, newest first. */
export class PaymentList {
  readonly #init: PaymentListInit;

  constructor(init: PaymentListInit) {
    this.#init = init;
  }

  /** Throws `option_invalid`, `cursor_invalid`, and `history_off` for a list that needs the index by time. */
  async page(query: PaymentsQuery): Promise<PaymentPage> {
    const { limit = DEFAULT_LIMIT, label, from, to } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new NodeError({
        code: "option_invalid",
        fields: { option: "limit", reason: `1 to ${MAX_LIMIT}` },
      });
    }
    const filling: Filling = { items: [], limit, label, lookedAt: 0 };
    const only = from === undefined && to === undefined ? this.#onlyChannel(query) : undefined;
    const next =
      only === undefined ? await this.#byTime(query, filling) : await this.#ofChannel(only, query, filling);
    return { items: filling.items, next };
  }

  /** One payment by its name. Throws `payment_unknown`. */
  async payment(
    channelId: ChannelId,
    direction: Direction,
    nonce: bigint,
    index: number,
  ): Promise<ListedPayment> {
    const { channels, store, labelled } = this.#init;
    const facts = await channels.facts(channelId);
    const state = await channels.state(channelId);
    if (facts !== undefined && state !== undefined && nonce >= 1n && nonce < 1n << 64n) {
      const payer = payerOf(facts, direction);
      const final = nonce <= finalThrough(state, payer);
      const bytes = await store.get(updateKey(facts.idBytes, payer, nonce));
      if (bytes !== undefined && (final || direction === "sent")) {
        const { update, time } = stored(bytes);
        for (const [at, transfer] of indexed(update.entries)) {
          if (at !== index) continue;
          return (await labelled([{ facts, payer, update, time, index, transfer, final }]))[0]!;
        }
      }
    }
    throw new NodeError({
      code: "payment_unknown",
      fields: { channelId, direction, nonce, index: BigInt(index) },
    });
  }

  /** A list that one channel's own updates can serve: its cost is the page's, however much the others paid. */
  #onlyChannel({ channelId, peer }: PaymentsQuery): ChannelId | undefined {
    if (channelId !== undefined || peer === undefined) return channelId;
    const ids = this.#init.channelsOf(peer);
    return ids.size === 1 ? [...ids][0] : undefined;
  }

  async #ofChannel(id: ChannelId, query: PaymentsQuery, filling: Filling): Promise<string | undefined> {
    const { channels } = this.#init;
    const facts = await channels.facts(id);
    const state = await channels.state(id);
    if (facts === undefined || state === undefined || !wantsChannel(query, facts)) return undefined;
    const start = query.cursor === undefined ? startOf(state) : parseChannelCursor(query.cursor);
    const lines = { sent: start.sent, received: start.received };
    const open = (direction: Direction) => {
      const isWanted = query.direction === undefined || query.direction === direction;
      return this.#down(state, facts, payerOf(facts, direction), isWanted ? lines[direction] : END);
    };
    const streams = { sent: open("sent"), received: open("received") };
    const heads = {
      sent: (await streams.sent.next()).value,
      received: (await streams.received.next()).value,
    };
    while (!isOver(filling)) {
      const { sent, received } = heads;
      if (sent === undefined && received === undefined) return undefined;
      const sentIsNewer =
        received === undefined || (sent !== undefined && sent.stored.time >= received.stored.time);
      const direction: Direction = sentIsNewer ? "sent" : "received";
      const head = heads[direction]!;
      const reached = await this.#take(head, filling);
      lines[direction] = { nonce: head.stored.update.proof.nonce, index: reached };
      if (reached === 0) heads[direction] = (await streams[direction].next()).value;
    }
    return heads.sent === undefined && heads.received === undefined ? undefined : channelCursor(lines);
  }

  /** Updates of one direction from `spot` down to `floor`. Received evidence that the chain has not recorded is no payment. */
  async *#down(
    state: ChannelState,
    facts: ChannelFacts,
    payer: Side,
    spot: Spot,
    floor = 1n,
    single?: StoredUpdate,
  ): AsyncGenerator<Head, undefined> {
    const through = finalThrough(state, payer);
    const isSent = payer === facts.side;
    let top = spot.index > 0 ? spot.nonce : spot.nonce - 1n;
    if (!isSent && top > through) top = through;
    const updates = single === undefined || top < floor ? undefined : [single];
    for await (const update of updates ?? updatesDown(this.#init.store, facts.idBytes, payer, floor, top)) {
      const { nonce } = update.update.proof;
      const below = spot.index > 0 && nonce === spot.nonce ? spot.index : undefined;
      yield { facts, payer, stored: update, final: nonce <= through, below };
    }
    return undefined;
  }

  async #byTime(query: PaymentsQuery, filling: Filling): Promise<string | undefined> {
    if (!this.#init.isIndexed) throw new NodeError({ code: "history_off", fields: {} });
    const { from = 0, to = MAX_KEY_TIME } = query;
    const { gte, lt: end } = paymentTimeRange(from, to);
    let lt = end;
    let resume = query.cursor === undefined ? undefined : parseTimeCursor(query.cursor);
    if (resume !== undefined && compareKeys(keyBehind(resume), lt) < 0) lt = keyBehind(resume);
    const { store, channels } = this.#init;
    for (;;) {
      const room = query.label === undefined ? filling.limit - filling.items.length : RUNS;
      const runs = await readRuns(store, channels, { gte, lt, limit: RUNS }, query, room);
      for (const read of runs) {
        const spot = resume !== undefined && isSame(read.run, resume) ? resume : undefined;
        resume = undefined;
        const reached = await this.#takeRun(read, spot, filling);
        if (reached !== undefined) return timeCursor({ ...read.run, ...reached });
      }
      const last = runs.at(-1)?.run;
      if (last === undefined || runs.length < RUNS) return undefined;
      lt = keyOf(last);
    }
  }

  /** Takes what is wanted of one run; where it stopped, if the page is full or enough was looked at. */
  async #takeRun(
    { run, facts, state, single }: ReadRun,
    spot: Spot | undefined,
    filling: Filling,
  ): Promise<Spot | undefined> {
    const start = spot ?? { nonce: run.to + 1n, index: 0 };
    if (isOver(filling)) return start;
    filling.lookedAt++;
    if (facts === undefined) return undefined;
    // One beyond those that were read ahead: they were not enough.
    const known = state ?? (await this.#init.channels.state(run.channelId));
    if (known === undefined) return undefined;
    for await (const head of this.#down(known, facts, run.payer, start, run.from, single)) {
      const reached = await this.#take(head, filling);
      if (isOver(filling)) return { nonce: head.stored.update.proof.nonce, index: reached };
    }
    return undefined;
  }

  /** Takes payments of one update, newest first, as far as the page has room; below which index it stopped. */
  async #take(head: Head, filling: Filling): Promise<number> {
    const { facts, payer, final, below, stored: update } = head;
    const room = filling.limit - filling.items.length;
    const transfers = [...indexed(update.update.entries)].slice(0, below).reverse();
    const { label } = filling;
    // Only payments with ids of an application's have labels: a stream's are not even looked up.
    const looked =
      label === undefined
        ? transfers.slice(0, room)
        : transfers.filter(([, { applicationId }]) => applicationId);
    // A label costs a read of its own.
    filling.lookedAt += label === undefined ? 1 : 1 + looked.length;
    const payments = await this.#init.labelled(
      looked.map(([index, transfer]) => ({ facts, payer, ...update, index, transfer, final })),
    );
    const found =
      label === undefined ? payments : payments.filter((payment) => payment.label === label).slice(0, room);
    filling.items.push(...found);
    return found.length === room ? found.at(-1)!.index : 0;
  }
}

function isOver({ items, limit, lookedAt }: Filling): boolean {
  return items.length >= limit || lookedAt >= MAX_LOOKED_AT;
}

/** Where nothing comes behind. */
const END: Spot = { nonce: 1n, index: 0 };

function startOf(state: ChannelState) {
  return {
    sent: { nonce: state.sent.nonce + 1n, index: 0 },
    received: { nonce: state.received.nonce + 1n, index: 0 },
  };
}

function keyOf({ time, channelId, payer, from }: Omit<IndexedRun, "to">): Uint8Array {
  return paymentTimeKey(time, channelIdToBytes(channelId), payer, from);
}

/** The first key behind that of a run. */
function keyBehind(run: TimeSpot): Uint8Array {
  return Uint8Array.of(...keyOf(run), 0);
}

function isSame(run: IndexedRun, { time, channelId, payer, from }: TimeSpot): boolean {
  return run.time === time && run.channelId === channelId && run.payer === payer && run.from === from;
}

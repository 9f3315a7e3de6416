import type { Address, ChannelId, ChannelState, Phase } from "../../protocol/index.ts";
import { MAX_ENTRIES_BYTES, otherSide, TRANSFER_BYTES } from "../../protocol/index.ts";
import type { GroupCommit } from "../../store/groupCommit.ts";
import type { Op, StoreReader } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import type { NodeEvents } from "../events.ts";
import type { Records } from "../records.ts";
import { Allowance } from "./allowance.ts";
import type { ChannelFacts, ChannelFactsReader } from "./channelFacts.ts";
import type { Position } from "./cursor.ts";
import type { EventLog } from "./eventLog.ts";
import {
  decodeEvent,
  type EventType,
  encodeChannel,
  encodePayments,
  encodeTold,
  type PaymentRecord,
  type ToldType,
  typeOf,
} from "./eventRecord.ts";
import { Labels } from "./labels.ts";
import {
  type Direction,
  finalThrough,
  indexed,
  type ListedPayment,
  listed,
  type Placed,
} from "./listedPayment.ts";
import { indexRuns } from "./paymentIndex.ts";
import { PaymentList, type PaymentPage, type PaymentsQuery } from "./paymentList.ts";
import { updatesUp } from "./updatePages.ts";

/** Positions of one update in a payment record's index: more than its payments. */
const POSITIONS_PER_UPDATE = 4096;
if (MAX_ENTRIES_BYTES / TRANSFER_BYTES >= POSITIONS_PER_UPDATE)
  throw new Error("an update holds too many payments");

/**
 * Comings and goings of peers, and warnings, that are remembered: others cause them, and must not be able to push what
 * matters out of the log. A minute's worth at once, then one a second: at most a tenth of the default log a day.
 */
const TRANSIENT_BURST = 60;
const TRANSIENT_PER_SECOND = 1;

/** Longest text remembered of a warning or a reason: parts of it may be a peer's. */
const MAX_TEXT = 1_000;

interface At {
  /** Goes on behind this event. */
  readonly cursor: string;
  /** When it was written down, Unix milliseconds. */
  readonly time: number;
}

/** What the log tells. */
export type HistoryEvent = At &
  (
    | { readonly type: "payment"; readonly payment: ListedPayment }
    | { readonly type: "channel"; readonly channelId: ChannelId; readonly phase: Phase }
    | { readonly type: ToldType; readonly data: unknown }
  );

export interface FollowOptions {
  /** A cursor; `"0"`: from the oldest kept; absent: from now on. */
  readonly after?: string | undefined;
  /** All by default. */
  readonly types?: readonly EventType[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HistoryInit {
  readonly store: StoreReader;
  readonly committer: GroupCommit;
  readonly channels: ChannelFactsReader;
  readonly records: Records;
  /** Absent: nothing is recorded. */
  readonly log: EventLog | undefined;
  readonly stopping: AbortSignal;
  readonly channelsOf: (peer: Address) => ReadonlySet<ChannelId>;
  /** Whether a peer is one we deal with: what strangers do is not remembered. */
  readonly isKnown: (signer: Address) => boolean;
}

/** What happened on this node: the events in order and the payments by time, durable, for whoever asks later. */
export class History {
  readonly labels: Labels;
  readonly #init: HistoryInit;
  readonly #log: EventLog | undefined;
  readonly #payments: PaymentList;
  readonly #transient = {
    peer: new Allowance(TRANSIENT_BURST, TRANSIENT_PER_SECOND),
    warning: new Allowance(TRANSIENT_BURST, TRANSIENT_PER_SECOND),
  };

  constructor(init: HistoryInit) {
    this.#init = init;
    this.#log = init.log;
    this.labels = new Labels(init.records, init.store);
    const { store, channels, channelsOf, log } = init;
    const labelled = (placed: readonly Placed[]) => this.#labelled(placed);
    this.#payments = new PaymentList({ store, channels, channelsOf, labelled, isIndexed: log !== undefined });
  }

  /** Whether what happens is recorded. */
  get isOn(): boolean {
    return this.#log !== undefined;
  }

  /**
   * Adds to a channel's batch what its change makes worth remembering: payments that became final, a new phase, and
   * where updates stand in time. `before` is the state last written. In the turn of the commit, and never throws.
   */
  record(before: ChannelState, next: ChannelState, ops: Op[], time: number): void {
    const log = this.#log;
    if (log === undefined) return;
    indexRuns(before, next, time, ops);
    for (const payer of [next.side, otherSide(next.side)] as const) {
      const from = finalThrough(before, payer);
      const to = finalThrough(next, payer);
      if (to > from) ops.push(log.append(encodePayments(time, next.idBytes, payer, from + 1n, to)));
    }
    if (before.terms === next.terms) return;
    const { phase, chain } = next.terms;
    if (before.terms.phase === phase && before.terms.chain === chain) return;
    ops.push(log.append(encodeChannel(time, next.idBytes, phase)));
  }

  /**
   * Records `data`, which must be JSON, in one batch with `ops`: both survive a crash or neither does. Resolves once
   * written, or with `sync` once durable; it is told once it is durable, soon after. Without a log only `ops` are
   * written.
   */
  async append(
    type: ToldType,
    data: unknown,
    { ops = [], sync = false }: { readonly ops?: readonly Op[]; readonly sync?: boolean } = {},
  ): Promise<void> {
    const op = this.#log?.append(encodeTold(type, Date.now(), data));
    const batch = op === undefined ? ops : [...ops, op];
    if (batch.length > 0) await this.#init.committer.commit(batch, { sync });
  }

  /** The record of `data`, which must be JSON, for a batch that is committed in this turn; none without a log. */
  appendOps(type: ToldType, data: unknown): readonly Op[] {
    return this.#log === undefined ? [] : [this.#log.append(encodeTold(type, Date.now(), data))];
  }

  /** Remembers of what the application is told whatever no channel's batch has recorded. */
  hear<Name extends keyof NodeEvents>(name: Name, told: NodeEvents[Name][0]): void {
    if (this.#log === undefined) return;
    if (name === "dispute") this.#remember(name, told);
    if (name === "warning" && this.#transient.warning.take()) {
      const warning = told as NodeEvents["warning"][0];
      this.#remember(name, { ...warning, message: warning.message.slice(0, MAX_TEXT) });
    }
    if (name === "peer") {
      const { signer, connected, reason, remoteCode } = told as NodeEvents["peer"][0];
      if (!this.#init.isKnown(signer) || !this.#transient.peer.take()) return;
      this.#remember(name, { signer, connected, reason: (remoteCode ?? reason)?.slice(0, MAX_TEXT) });
    }
  }

  /** A refused commit is the committer's to report; what is lost here is one remark. */
  #remember(type: ToldType, data: unknown): void {
    this.append(type, data).catch(() => {});
  }

  /**
   * What happened behind `after`, in the order of the commits, then what happens, without end. Every event is durable
   * before it is told, and every one comes: a cursor goes on exactly behind its event after a reconnection, a restart
   * or a crash. A reader that is slow costs nothing.
   *
   * Throws `cursor_invalid`, `cursor_expired` with the oldest cursor there is, now or while reading, and
   * `history_off`. Ends by throwing the signal's reason.
   */
  events({ after, types, signal }: FollowOptions = {}): AsyncGenerator<HistoryEvent> {
    const log = this.#log;
    if (log === undefined) throw new NodeError({ code: "history_off", fields: {} });
    const { stopping } = this.#init;
    const ended = signal === undefined ? stopping : AbortSignal.any([stopping, signal]);
    return this.#follow(log, log.positionOf(after), types && new Set(types), ended);
  }

  /**
   * The cursor of where a reader that begins with `after` begins: whoever keeps it misses nothing, though nothing was
   * told yet. Throws as {@link History.events} does.
   */
  cursorOf(after: string | undefined): string {
    const log = this.#log;
    if (log === undefined) throw new NodeError({ code: "history_off", fields: {} });
    return log.cursorOf(log.positionOf(after));
  }

  /**
   * Payments of all channels, newest first, a page at a time. Throws `option_invalid`, `cursor_invalid`, and
   * `history_off` for a list that needs the index by time: any that is not of one channel, or is of a period.
   */
  payments(query: PaymentsQuery = {}): Promise<PaymentPage> {
    return this.#payments.page(query);
  }

  /** One payment by its name. Throws `payment_unknown`. */
  payment(channelId: ChannelId, direction: Direction, nonce: bigint, index: number): Promise<ListedPayment> {
    return this.#payments.payment(channelId, direction, nonce, index);
  }

  /** What never changes about a channel, kept in memory for ten thousand. Rejects with `channel_unknown`. */
  async channelFacts(channelId: ChannelId): Promise<ChannelFacts> {
    const facts = await this.#init.channels.facts(channelId);
    if (facts === undefined) throw new NodeError({ code: "channel_unknown", fields: { channelId } });
    return facts;
  }

  async *#follow(
    log: EventLog,
    start: Position,
    types: ReadonlySet<EventType> | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<HistoryEvent> {
    for await (const { sequence, bytes } of log.follow(start.sequence, signal)) {
      const type = typeOf(bytes);
      if (type === undefined || types?.has(type) === false) continue;
      const record = decodeEvent(bytes)!;
      if (record.type === "payment") {
        yield* this.#paymentEvents(log, record, {
          sequence,
          index: sequence === start.sequence ? start.index : 0,
        });
        signal.throwIfAborted();
      } else {
        yield { ...record, cursor: log.cursorOf({ sequence: sequence + 1, index: 0 }) };
      }
    }
  }

  /** The payments of one record behind `from`: it stands for whole updates, and is told payment by payment. */
  async *#paymentEvents(
    log: EventLog,
    { channelId, payer, from, to, time }: PaymentRecord,
    { sequence, index }: Position,
  ): AsyncGenerator<HistoryEvent> {
    const facts = await this.#init.channels.facts(channelId);
    if (facts === undefined) return;
    const first = from + BigInt(Math.floor(index / POSITIONS_PER_UPDATE));
    let skip = index % POSITIONS_PER_UPDATE;
    for await (const stored of updatesUp(this.#init.store, facts.idBytes, payer, first, to)) {
      const { nonce } = stored.update.proof;
      const base = Number(nonce - from) * POSITIONS_PER_UPDATE;
      const placed: Placed[] = [];
      for (const [at, transfer] of indexed(stored.update.entries)) {
        if (nonce === first && at < skip) continue;
        placed.push({
          facts,
          payer,
          update: stored.update,
          time: stored.time,
          index: at,
          transfer,
          final: true,
        });
      }
      skip = 0;
      for (const payment of await this.#labelled(placed)) {
        const cursor = log.cursorOf({ sequence, index: base + payment.index + 1 });
        yield { type: "payment", time, payment, cursor };
      }
    }
  }

  /** Payments as they are shown. Only those whose id an application gave can have a label. */
  async #labelled(placed: readonly Placed[]): Promise<ListedPayment[]> {
    const payments = placed.map((place) => listed(place, undefined));
    const named = payments.flatMap((payment, at) =>
      placed[at]!.transfer.applicationId ? [{ payment, at }] : [],
    );
    const labels = await this.labels.of(named.map(({ payment }) => payment));
    for (const [i, { payment, at }] of named.entries()) payments[at] = { ...payment, label: labels[i] };
    return payments;
  }
}

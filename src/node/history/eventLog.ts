import { randomBytes } from "node:crypto";
import { orAborted } from "../../chain/wait.ts";
import type { GroupCommit } from "../../store/groupCommit.ts";
import { eventKey, eventRange, sequenceOfEventKey } from "../../store/keys.ts";
import type { Op, PutOp, StoreReader } from "../../store/store.ts";
import { NodeError } from "../error.ts";
import { cursorText, type Position, parseCursor } from "./cursor.ts";

/** Records fetched at once for a reader: what a slow one holds in memory. */
const PAGE = 128;

/** Records removed in one batch, and how many more than wanted may lie there before that is done. */
const PRUNE_BATCH = 1_000;

/** Readers at once. Each is a client that follows; more than this is a leak. */
const MAX_READERS = 1_024;

const EPOCH_BYTES = 8;

/** The log's head, at sequence 0: `losses(4) ‖ epoch(8)`. */
const HEAD_KEY = eventKey(0);

export interface EventLogInit {
  readonly store: StoreReader;
  readonly committer: GroupCommit;
  /** How many losses the database has had: sequences told before one may be given to other events after it. */
  readonly losses: number;
  /** How many records are kept at least. */
  readonly keep: number;
}

/** A stored record and the sequence it has. */
export interface Stored {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/**
 * What happened, in the order of the commits, as durable records with a sequence.
 *
 * A record gets its sequence in the turn in which its batch is committed, so the order on disk is the order of the
 * commits. It is told only once it is durable: a power cut may take back the newest ones, and their sequences are then
 * given to others, but nobody has seen them. When the database lost more than a power cut takes, the log gets a new
 * epoch, and cursors of the old one are refused.
 */
export class EventLog {
  readonly #store: StoreReader;
  readonly #committer: GroupCommit;
  readonly #keep: number;
  readonly #epoch: string;
  #oldest: number;
  #newest: number;
  /** The newest that survives a power cut. */
  #durable: number;
  #watching = false;
  #pruning = false;
  #more = Promise.withResolvers<void>();
  #readers = 0;

  private constructor(init: EventLogInit, epoch: string, oldest: number, newest: number) {
    this.#store = init.store;
    this.#committer = init.committer;
    this.#keep = init.keep;
    this.#epoch = epoch;
    this.#oldest = oldest;
    this.#newest = newest;
    this.#durable = newest;
  }

  /** Takes up the log of a database that was just opened: what is in it then is durable. */
  static async open(init: EventLogInit): Promise<EventLog> {
    const { store, committer, losses } = init;
    const [oldest, newest] = [await endOf(store, false), await endOf(store, true)];
    let head = await store.get(HEAD_KEY);
    if (head?.length !== 4 + EPOCH_BYTES || Buffer.from(head).readUInt32BE() !== losses) {
      head = new Uint8Array(4 + EPOCH_BYTES);
      Buffer.from(head.buffer).writeUInt32BE(losses);
      head.set(randomBytes(EPOCH_BYTES), 4);
      await committer.commit([{ type: "put", key: HEAD_KEY, value: head }], { sync: true });
    }
    const epoch = Buffer.from(head.subarray(4)).toString("hex");
    return new EventLog(init, epoch, oldest ?? (newest ?? 0) + 1, newest ?? 0);
  }

  /** A node without a log forgets the epoch: what happens meanwhile is missing, and old cursors must not hide that. */
  static async leave(store: StoreReader, committer: GroupCommit): Promise<void> {
    if ((await store.get(HEAD_KEY)) === undefined) return;
    await committer.commit([{ type: "del", key: HEAD_KEY }], { sync: true });
  }

  /** The next record. The caller commits the op in this same turn of the event loop. */
  append(value: Uint8Array): PutOp {
    const key = eventKey(++this.#newest);
    if (!this.#watching) {
      this.#watching = true;
      queueMicrotask(() => void this.#watch());
    }
    return { type: "put", key, value };
  }

  /** Where a reader starts: behind `after`, at the oldest kept for `0`, with what comes next if absent. */
  positionOf(after: string | undefined): Position {
    if (after === undefined) return { sequence: this.#durable + 1, index: 0 };
    if (after === "0") return { sequence: this.#oldest, index: 0 };
    const position = parseCursor(after);
    const known = position.epoch === this.#epoch && position.sequence <= this.#durable + 1;
    if (!known || position.sequence < this.#oldest) throw this.#expired();
    return position;
  }

  cursorOf(position: Position): string {
    return cursorText(this.#epoch, position);
  }

  /**
   * Durable records from `sequence` on, for ever: at the end it waits for more. Nothing is held for a reader that
   * does not ask. Throws `cursor_expired` when what comes next is no longer kept, and the signal's reason.
   */
  async *follow(sequence: number, signal: AbortSignal): AsyncGenerator<Stored> {
    if (this.#readers >= MAX_READERS) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(MAX_READERS) } });
    }
    this.#readers++;
    try {
      for (let next = sequence; ; ) {
        const through = this.#durable;
        if (next > through) {
          await this.#await(through, signal);
          continue;
        }
        const count = Math.min(through + 1 - next, PAGE);
        yield* await this.#page(next, count, signal);
        next += count;
      }
    } finally {
      this.#readers--;
    }
  }

  /** What there is of `count` sequences: those whose commit was refused stay unused. */
  async #page(from: number, count: number, signal: AbortSignal): Promise<Stored[]> {
    signal.throwIfAborted();
    const sequences = Array.from({ length: count }, (_, i) => from + i);
    const found = await this.#store.getMany(sequences.map(eventKey));
    signal.throwIfAborted();
    const page = sequences.flatMap((sequence, i) => {
      const bytes = found[i];
      return bytes === undefined ? [] : [{ sequence, bytes }];
    });
    // Looked at behind the reading: what was removed meanwhile is missing in it.
    if (from < this.#oldest) throw this.#expired();
    return page;
  }

  /** Resolves once more than `through` is durable; rejects with the signal's reason. */
  async #await(through: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#durable <= through) await orAborted(this.#more.promise, signal);
  }

  /** Follows the disk while there is something that it does not hold yet. A failed disk stops the node by itself. */
  async #watch(): Promise<void> {
    try {
      while (this.#durable < this.#newest) {
        const through = this.#newest;
        await this.#committer.durable();
        this.#durable = through;
        const more = this.#more;
        this.#more = Promise.withResolvers<void>();
        more.resolve();
      }
    } catch {
      return;
    }
    this.#watching = false;
    if (this.#newest - this.#oldest >= this.#keep + PRUNE_BATCH) void this.#prune();
  }

  /** Removes what is more than wanted, a batch at a time, oldest first; what a crash leaves is removed later. */
  async #prune(): Promise<void> {
    if (this.#pruning) return;
    this.#pruning = true;
    try {
      while (this.#newest - this.#oldest >= this.#keep + PRUNE_BATCH) {
        const first = this.#oldest;
        const ops: Op[] = [];
        for (let i = 0; i < PRUNE_BATCH; i++) ops.push({ type: "del", key: eventKey(first + i) });
        this.#oldest = first + PRUNE_BATCH;
        await this.#committer.room();
        await this.#committer.commit(ops, { sync: false });
      }
    } catch {
      // The committer failed or was closed: the node stops by itself.
    } finally {
      this.#pruning = false;
    }
  }

  #expired(): NodeError {
    const oldest = this.cursorOf({ sequence: this.#oldest, index: 0 });
    return new NodeError({ code: "cursor_expired", fields: { oldest } });
  }
}

async function endOf(store: StoreReader, reverse: boolean): Promise<number | undefined> {
  for await (const [key] of store.range({ ...eventRange(1), reverse, limit: 1 }))
    return sequenceOfEventKey(key);
  return undefined;
}

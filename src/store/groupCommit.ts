import { tally } from "./channelSequence.ts";
import { type CommitRecord, encodeCommitRecord } from "./commitRecord.ts";
import { frame } from "./frame.ts";
import { COMMIT_KEY, keyText } from "./keys.ts";
import type { Op, Store, WriteOptions } from "./store.ts";
import { closedError, StoreError, writeFailure } from "./storeError.ts";

/** What may wait while a batch is being written before `room` makes callers wait: one batch's worth of memory. */
const ROOM_BYTES = 4 << 20;
const ROOM_OPS = 32_768;
/** Beyond this many times the room a commit is refused: callers that do not ask for room cannot fill the memory. */
const REFUSE_FACTOR = 8;
/** How long an unsynced write waits for a synced one to come along before it gets a sync of its own. */
const SYNC_AFTER_MS = 25;

export interface GroupCommitOptions {
  readonly store: Store;
  /** The newest commit in the store; the next one is one more. */
  readonly head: CommitRecord;
  /** Called when a synced batch is durable, before anybody is told. */
  readonly recordMark: (sequence: number) => void;
  readonly roomBytes?: number;
  readonly syncAfterMs?: number;
}

/** Commits that will be written together, and the promise all of their callers share. */
class Merge {
  readonly ops: Op[] = [];
  /** Where in `ops` each key is. */
  readonly slots = new Map<string, number>();
  readonly done = Promise.withResolvers<void>();
  bytes = 0;
  sync = false;
  /** Those who asked when everything up to here will be durable. */
  durable: PromiseWithResolvers<void> | undefined;

  add(op: Op): void {
    const text = keyText(op.key);
    const slot = this.slots.get(text);
    if (slot === undefined) this.slots.set(text, this.ops.push(op) - 1);
    else this.ops[slot] = op;
  }
}

/**
 * The only writer of a database. Commits that arrive while a batch is being written are merged into the next
 * batch: one atomic write, one sync, one promise for all of them. In a merge the last word on a key counts.
 *
 * The first failed write ends it: after a failed sync nobody knows what the disk holds (Linux drops the dirty pages
 * and lets the next fsync succeed), so everything waiting and everything later is refused with the same error.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #recordMark: (sequence: number) => void;
  readonly #roomBytes: number;
  readonly #syncAfterMs: number;
  readonly #tally: { channels: number; channelSequences: number };
  /** Resolves with the first failure; never rejects. */
  readonly failed: Promise<StoreError>;
  readonly #fail: (error: StoreError) => void;
  /** Told how long each batch took to write, seconds, and whether it was synced: for whoever measures. */
  onWrite: ((seconds: number, synced: boolean) => void) | undefined;
  #next: Merge | undefined;
  #running: Promise<void> | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #written: number;
  #synced: number;
  #timer: NodeJS.Timeout | undefined;
  #failure: StoreError | undefined;
  #closed = false;
  /** The batch being written. */
  #current: Merge | undefined;
  /** Written batches that nobody has synced yet and somebody waits for. */
  #awaited: PromiseWithResolvers<void>[] = [];

  constructor(options: GroupCommitOptions) {
    this.#store = options.store;
    this.#recordMark = options.recordMark;
    this.#roomBytes = options.roomBytes ?? ROOM_BYTES;
    this.#syncAfterMs = options.syncAfterMs ?? SYNC_AFTER_MS;
    this.#tally = { channels: options.head.channels, channelSequences: options.head.channelSequences };
    this.#written = options.head.sequence;
    this.#synced = options.head.sequence;
    const failed = Promise.withResolvers<StoreError>();
    this.failed = failed.promise;
    this.#fail = failed.resolve;
  }

  /** Records that wait for the next batch. */
  get waiting(): number {
    return this.#next?.ops.length ?? 0;
  }

  /** Why nothing is accepted any more, if so. */
  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /** The number of the newest batch written, and of the newest known to survive a power cut. */
  get progress(): { readonly written: number; readonly synced: number } {
    return { written: this.#written, synced: this.#synced };
  }

  /**
   * Stores `ops` atomically, after every earlier commit. Resolves once written, or with `sync` once that and
   * everything before survives a power cut; an unsynced commit is synced soon after.
   *
   * Rejects with `disk_full`, `store_failed`, `store_closed`, or with `store_overloaded` and nothing stored. The
   * arrays in `ops` belong to the store until then.
   */
  commit(ops: readonly Op[], options: WriteOptions): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(closedError());
    let bytes = 0;
    for (const op of ops) bytes += op.key.length + (op.type === "put" ? op.value.length : 0);
    if (this.#refuses(bytes, ops.length)) return Promise.reject(overloadedError());
    return this.#enqueue(ops, bytes, options.sync);
  }

  /** Whether a commit now would not make the queue longer than it should be. */
  get hasRoom(): boolean {
    const next = this.#next;
    return next === undefined || (next.bytes < this.#roomBytes && next.ops.length < ROOM_OPS);
  }

  /**
   * Resolves when there is room: whoever takes work from outside (a peer's message, an application's payment) waits
   * here before it takes more. Rejects with the committer's failure or the signal's reason.
   */
  room(signal?: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.hasRoom) return Promise.resolve();
    this.#room ??= Promise.withResolvers<void>();
    return signal === undefined ? this.#room.promise : withSignal(this.#room.promise, signal);
  }

  /** Resolves once everything committed so far survives a power cut. */
  flush(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#next === undefined && this.#running === undefined && this.#synced === this.#written)
      return Promise.resolve();
    return this.#closed ? Promise.reject(closedError()) : this.#enqueue([], 0, true);
  }

  /**
   * Resolves once everything committed so far survives a power cut, without asking the disk for more than it does
   * anyway: an unsynced commit is synced soon after. Rejects with the committer's failure.
   */
  durable(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const last = this.#next ?? this.#current;
    if (last !== undefined) {
      last.durable ??= Promise.withResolvers<void>();
      return last.durable.promise;
    }
    if (this.#synced === this.#written) return Promise.resolve();
    const awaited = Promise.withResolvers<void>();
    this.#awaited.push(awaited);
    return awaited.promise;
  }

  /** Flushes and refuses everything later. Does not close the store. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const flushed = this.flush();
    this.#closed = true;
    try {
      await flushed;
    } finally {
      clearTimeout(this.#timer);
      await this.#running;
    }
  }

  #refuses(bytes: number, ops: number): boolean {
    const next = this.#next;
    if (next === undefined) return false;
    return (
      next.bytes + bytes > this.#roomBytes * REFUSE_FACTOR || next.ops.length + ops > ROOM_OPS * REFUSE_FACTOR
    );
  }

  #enqueue(ops: readonly Op[], bytes: number, sync: boolean): Promise<void> {
    for (const op of ops) tally(this.#tally, op);
    this.#next ??= new Merge();
    const next = this.#next;
    for (const op of ops) next.add(op);
    next.bytes += bytes;
    next.sync ||= sync;
    // Starting in a microtask lets everything the current event commits share the first batch.
    this.#running ??= Promise.resolve().then(this.#run);
    return next.done.promise;
  }

  readonly #run = async (): Promise<void> => {
    while (this.#next !== undefined) {
      const merge = this.#next;
      this.#next = undefined;
      this.#current = merge;
      const room = this.#room;
      this.#room = undefined;
      room?.resolve();
      try {
        await this.#write(merge);
      } catch (error) {
        this.#poison(writeFailure(error), merge);
        break;
      }
      merge.done.resolve();
    }
    this.#running = undefined;
  };

  async #write(merge: Merge): Promise<void> {
    const sequence = this.#written + 1;
    const record = encodeCommitRecord({ sequence, syncedThrough: this.#synced, ...this.#tally });
    // The check of the logs at start expects the commit record first in its batch.
    const batch: Op[] = [{ type: "put", key: COMMIT_KEY, value: frame(COMMIT_KEY, record) }];
    for (const op of merge.ops) {
      batch.push(op.type === "put" ? { type: "put", key: op.key, value: frame(op.key, op.value) } : op);
    }
    const began = performance.now();
    await this.#store.write(batch, { sync: merge.sync });
    this.onWrite?.((performance.now() - began) / 1000, merge.sync);
    this.#written = sequence;
    this.#current = undefined;
    if (merge.durable !== undefined) this.#awaited.push(merge.durable);
    if (merge.sync) {
      this.#synced = sequence;
      this.#recordMark(sequence);
      for (const awaited of this.#awaited.splice(0)) awaited.resolve();
    } else {
      this.#timer ??= setTimeout(this.#syncSoon, this.#syncAfterMs);
    }
  }

  readonly #syncSoon = (): void => {
    this.#timer = undefined;
    if (this.#synced === this.#written || this.#failure !== undefined || this.#closed) return;
    // Whoever commits learns of a failure; this sync itself has nobody to tell.
    this.#enqueue([], 0, true).catch(() => {});
  };

  #poison(error: StoreError, merge: Merge): void {
    this.#failure = error;
    clearTimeout(this.#timer);
    merge.done.reject(error);
    this.#next?.done.reject(error);
    for (const awaited of [merge.durable, this.#next?.durable, ...this.#awaited.splice(0)]) {
      awaited?.promise.catch(() => {});
      awaited?.reject(error);
    }
    this.#next = undefined;
    this.#room?.promise.catch(() => {});
    this.#room?.reject(error);
    this.#fail(error);
  }
}

function overloadedError(): StoreError {
  return new StoreError(
    "store_overloaded",
    "More changes are waiting to be stored than the queue holds; this one was not taken. The disk is too slow for " +
      "what is asked of it: send less, and wait for room.",
    { moneyAtStake: false },
  );
}

function withSignal(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  promise.catch(() => {});
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}

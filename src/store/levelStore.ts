import { Level } from "level";
import { LogWatch, syncPath } from "./logWatch.ts";
import type { Entry, Op, Range, Store, WriteOptions } from "./store.ts";
import { closedError, StoreError, writeFailure } from "./storeError.ts";

/** Entries fetched from LevelDB at once: fewer costs calls, more costs memory and holds up the event loop. */
const RANGE_CHUNK = 1000;
const RANGE_CHUNK_BYTES = 1 << 20;

export interface LevelStoreOptions {
  /**
   * Bytes of log before LevelDB turns it into a table. More means fewer, larger compactions, but more to replay
   * and to check at the next start.
   */
  readonly writeBufferSize?: number;
  /** Bytes of blocks kept in memory. */
  readonly cacheSize?: number;
}

const WRITE_BUFFER_BYTES = 16 << 20;
const CACHE_BYTES = 8 << 20;
/** Tables larger than LevelDB's 2 MiB mean fewer files to open and to verify at start. */
const TABLE_FILE_BYTES = 8 << 20;

/**
 * Opens or creates a LevelDB database in `directory`.
 *
 * Compression is off: what is stored is hashes, signatures and amounts, which do not shrink, and the check at
 * start reads tables without unpacking them. Throws `database_locked`, `database_damaged`, or the disk's failure.
 */
export async function openLevelStore(directory: string, options: LevelStoreOptions = {}): Promise<Store> {
  const level = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: false,
    writeBufferSize: options.writeBufferSize ?? WRITE_BUFFER_BYTES,
    cacheSize: options.cacheSize ?? CACHE_BYTES,
    maxFileSize: TABLE_FILE_BYTES,
  });
  try {
    await level.open();
  } catch (error) {
    throw openFailure(directory, error);
  }
  // LevelDB renames CURRENT without syncing the directory.
  await syncPath(directory);
  return new LevelStore(level, new LogWatch(directory));
}

class LevelStore implements Store {
  readonly #level: Level<Uint8Array, Uint8Array>;
  readonly #logs: LogWatch;
  /** Writes take turns: the order of the log is the order of the calls. */
  #last: Promise<void> = Promise.resolve();
  #unsynced = false;
  #closed = false;

  constructor(level: Level<Uint8Array, Uint8Array>, logs: LogWatch) {
    this.#level = level;
    this.#logs = logs;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    const value = await this.#level.get(key);
    return value && plainBytes(value);
  }

  lookUp(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    const value = this.#level.getSync(key);
    return value && plainBytes(value);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#assertOpen();
    const values: (Uint8Array | undefined)[] = await this.#level.getMany(keys as Uint8Array[]);
    return values.map((value) => value && plainBytes(value));
  }

  async *range(range: Range): AsyncGenerator<Entry, undefined> {
    this.#assertOpen();
    const { gte, lt, reverse = false, limit = -1, signal } = range;
    const iterator = this.#level.iterator({ gte, lt, reverse, limit, highWaterMarkBytes: RANGE_CHUNK_BYTES });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const entries = await iterator.nextv(RANGE_CHUNK);
        if (entries.length === 0) return;
        for (const [key, value] of entries) yield [plainBytes(key), plainBytes(value)];
      }
    } finally {
      await iterator.close();
    }
  }

  write(ops: readonly Op[], options: WriteOptions): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    const written = this.#last.then(() => this.#write(ops, options.sync));
    this.#last = written.catch(() => {});
    return written;
  }

  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    const flushed = this.#last.then(() => (this.#unsynced ? this.#write([], true) : undefined));
    this.#last = flushed.catch(() => {});
    return flushed;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const flushed = this.flush();
    this.#closed = true;
    try {
      await flushed;
    } finally {
      await this.#level.close();
      this.#logs.close();
    }
  }

  async #write(ops: readonly Op[], sync: boolean): Promise<void> {
    try {
      // An empty batch of abstract-level never reaches the log, and one in LevelDB syncs what is before it.
      if (ops.length === 0) await this.#level.del(NOTHING, { sync });
      else await this.#level.batch(ops as Op[], { sync });
      this.#logs.wrote();
      if (!sync) {
        this.#unsynced = true;
        return;
      }
      if (this.#logs.switched) await this.#logs.settle();
      this.#unsynced = false;
    } catch (error) {
      throw writeFailure(error);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }
}

/** LevelDB gives Buffers, whose `slice` does not copy: a trap for whoever expects what the type says. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** No record has this key (see the port): removing it writes to the log and changes nothing. */
const NOTHING = new Uint8Array(0);

/** What opening LevelDB threw, as a coded error. */
export function openFailure(directory: string, error: unknown): StoreError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === "LEVEL_LOCKED") return lockedError(directory, error);
  const text = cause?.message ?? (error instanceof Error ? error.message : String(error));
  if (cause?.code === "LEVEL_CORRUPTION" || /does not exist|CURRENT file/.test(text)) {
    return damagedError(directory, [text], error);
  }
  return writeFailure(cause ?? error);
}

/** The refusal of a database that another process holds. */
export function lockedError(directory: string, cause: unknown): StoreError {
  return new StoreError(
    "database_locked",
    `The database in ${directory} is in use by another process. Nothing was changed. A node's keys must not run ` +
      "twice: stop the other process, or give this node a directory and a mnemonic of its own.",
    { moneyAtStake: false, cause },
  );
}

/** The refusal of a database that cannot be opened as it is. */
export function damagedError(directory: string, details: readonly string[], cause?: unknown): StoreError {
  return new StoreError(
    "database_damaged",
    `The database in ${directory} is damaged and was left as it is: ${details.join("; ")}. It holds the proofs ` +
      "of your channels: keep the directory, check the disk, then open it with repair, which keeps what can be " +
      "read and asks the peers for the rest. Do it before a challenge period runs out.",
    { moneyAtStake: true, cause },
  );
}

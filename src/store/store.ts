/** Writes `value` under `key`. Both arrays belong to the store until the write has resolved: do not reuse them. */
export interface PutOp {
  readonly type: "put";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Removes `key`, present or not. Whoever removes a channel record says the `sequence` it holds, so that the
 * tally of all channel records (see commitRecord.ts) stays true.
 */
export interface DelOp {
  readonly type: "del";
  readonly key: Uint8Array;
  readonly sequence?: number;
}

export type Op = PutOp | DelOp;

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** Keys `gte <= key < lt` in byte order, or backwards with `reverse`; at most `limit` of them. */
export interface Range {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
  /** Ends the iteration by throwing the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The reading half: what rooms above are given. Each read sees one consistent state. */
export interface StoreReader {
  /** The value under `key`, or undefined. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * The value under `key`, read by the caller's own thread: for a key that is probably absent, or was written lately.
   * That costs a sixth of a trip through another thread, and of the disk a page at worst.
   */
  lookUp(key: Uint8Array): Uint8Array | undefined;
  /** One result per key, in the keys' order. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Entries of the state as it was when the first one was asked for. */
  range(range: Range): AsyncIterableIterator<Entry>;
}

export interface WriteOptions {
  /** Whether this batch, and every batch before it, must survive a power cut once the promise resolves. */
  readonly sync: boolean;
}

/**
 * An ordered map of bytes with atomic batches: the port under everything that lasts. Keys have at least one byte.
 *
 * Batches take effect in the order of the calls to `write`; a synced batch makes all earlier ones durable. A
 * failure rejects with `StoreError` and leaves it open whether that batch survives a restart.
 */
export interface Store extends StoreReader {
  /** Applies all `ops` or none, later ones of the same key winning. */
  write(ops: readonly Op[], options: WriteOptions): Promise<void>;
  /** Resolves once everything written so far survives a power cut. */
  flush(): Promise<void>;
  /** Makes everything durable and lets go of the database. Reads and writes afterwards are refused. */
  close(): Promise<void>;
}

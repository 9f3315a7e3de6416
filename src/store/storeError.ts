/**
 * What can go wrong with stored data:
 *
 * - `disk_full`, `store_failed`: a write failed; nothing more is accepted until the process restarts.
 * - `store_overloaded`: more is waiting than the queue holds; this commit was not taken.
 * - `store_closed`: used after `close`.
 * - `record_damaged`: a record's checksum does not match what is stored under its key.
 * - `database_locked`: another process holds the database.
 * - `database_newer`: written by a newer version of Rivulet.
 * - `database_foreign`: not a Rivulet database.
 * - `database_damaged`: damaged beyond opening, or gone.
 */
export type StoreErrorCode =
  | "disk_full"
  | "store_failed"
  | "store_overloaded"
  | "store_closed"
  | "record_damaged"
  | "database_locked"
  | "database_newer"
  | "database_foreign"
  | "database_damaged";

/** An expected failure at the edge to the disk. The message says what happened and what to do. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** True when money can be lost unless somebody acts; false when nothing was changed or promised. */
  readonly moneyAtStake: boolean;

  constructor(code: StoreErrorCode, message: string, options: { moneyAtStake: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "StoreError";
    this.code = code;
    this.moneyAtStake = options.moneyAtStake;
  }
}

/** LevelDB reports the operating system's words, not its codes: these mean that no byte more fits. */
const FULL = /ENOSPC|EDQUOT|EFBIG|No space left on device|Disk quota exceeded|File too large/i;

/** Turns whatever a failed write threw into `disk_full` or `store_failed`. */
export function writeFailure(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const text =
    cause instanceof Error ? `${cause.message} ${(cause as { code?: string }).code ?? ""}` : String(cause);
  if (FULL.test(text)) {
    return new StoreError(
      "disk_full",
      "The disk is full, so the last changes could not be stored. Nothing that was not stored has been acknowledged. " +
        "The node has stopped paying and cannot answer disputes: free some space and restart it before a " +
        "challenge period runs out.",
      { moneyAtStake: true, cause },
    );
  }
  return new StoreError(
    "store_failed",
    `A write to the database failed (${text.trim()}). Nothing that was not stored has been acknowledged. ` +
      "The node has stopped paying and cannot answer disputes: check the disk and restart it before a " +
      "challenge period runs out.",
    { moneyAtStake: true, cause },
  );
}

/** The refusal of everything after `close`. */
export function closedError(): StoreError {
  return new StoreError("store_closed", "The database has been closed; this was not stored.", {
    moneyAtStake: false,
  });
}

/** Namespaces of the records of a restore. */
export const BASELINE = {
  /** One record, `newest`. */
  restore: "restore",
  /** By channel: where it stood when the database was restored, or when its loss was noticed. */
  channel: "restoredChannel",
} as const;

export interface StoredRestore {
  /** Unix seconds: when it was restored, or its loss was noticed. */
  readonly restoredAt: number;
  /** Unix seconds; 0 where there was no backup. */
  readonly backupCreatedAt: number;
  /** Which of the database's losses it was. */
  readonly losses: number;
}

export interface StoredBaseline {
  /** Totals in the token's base unit, as decimal strings. */
  readonly sent: string;
  readonly received: string;
  /** Unix seconds: every payment received by then is proven; 0 where that is not known. */
  readonly provenThrough: number;
  /** At which of the database's losses. */
  readonly losses: number;
  /** The peer has shown since what it holds. */
  readonly shown?: boolean;
}

/** Namespaces of the records of a restore. */
export const BASELINE = {
  /** One record, `newest`. */
  restore: "restore",
  /** By channel: where it stood when the database was restored. */
  channel: "restoredChannel",
} as const;

/** Unix seconds. */
export interface StoredRestore {
  readonly restoredAt: number;
  readonly backupCreatedAt: number;
}

export interface StoredBaseline {
  /** Totals in the token's base unit, as decimal strings. */
  readonly sent: string;
  readonly received: string;
  /** Unix seconds: every payment received by then is proven. */
  readonly provenThrough: number;
  /** The peer has shown since what it holds. */
  readonly shown?: boolean;
}

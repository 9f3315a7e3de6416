import { sha256 } from "ethers/crypto";
import { ChainError } from "./error.ts";

/** What the chain room asks of a store; the node's store satisfies it as it is. */
export interface JournalStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All of `ops` or none; with `sync`, on disk before it resolves. */
  write(ops: readonly JournalOp[], options: { readonly sync: boolean }): Promise<void>;
}

export type JournalOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** Bumped when a record's shape changes; an unknown version is refused, never guessed at. */
const VERSION = 1;

/**
 * Named JSON records with a checksum each (LevelDB opens a damaged log in silence), written atomically and synced.
 * A `bigint` is stored as a decimal string; the reader of a record knows which fields are.
 */
export class Journal {
  readonly #store: JournalStore;
  readonly #prefix: string;
  readonly #encoder = new TextEncoder();

  /** All keys lie under `prefix`, one per chain and escrow or account. */
  constructor(store: JournalStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** The record, or undefined. Throws `journal_damaged` when its checksum, version or JSON does not hold. */
  async read(record: string): Promise<unknown> {
    const bytes = await this.#store.get(this.#key(record));
    if (bytes === undefined) return undefined;
    return readJournalRecord(record, bytes);
  }

  /** Writes all records (undefined deletes) at once, on disk before it resolves. */
  async write(records: Readonly<Record<string, unknown>>): Promise<void> {
    const ops = Object.entries(records).map(([record, value]): JournalOp => {
      const key = this.#key(record);
      if (value === undefined) return { type: "del", key };
      const body = JSON.stringify({ version: VERSION, value }, bigintsAsText);
      return { type: "put", key, value: this.#encoder.encode(checksum(record, body) + body) };
    });
    await this.#store.write(ops, { sync: true });
  }

  #key(record: string): Uint8Array {
    return this.#encoder.encode(this.#prefix + record);
  }
}

/** What a journal holds under a record's name. Throws `journal_damaged`. */
export function readJournalRecord(record: string, bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  const body = text.slice(CHECKSUM_CHARS);
  if (text.slice(0, CHECKSUM_CHARS) !== checksum(record, body)) {
    throw new ChainError({ code: "journal_damaged", record, reason: "checksum" });
  }
  const { version, value } = JSON.parse(body) as { version: number; value: unknown };
  if (version !== VERSION) {
    throw new ChainError({ code: "journal_damaged", record, reason: `version ${version}` });
  }
  return value;
}

/** Covers the name too: a record copied to another's place must not pass. */
function checksum(record: string, body: string): string {
  return sha256(new TextEncoder().encode(`${record}\n${body}`)).slice(2, 2 + CHECKSUM_CHARS);
}

const CHECKSUM_CHARS = 16;

/** For `JSON.stringify`: JSON has no integers of the size of amounts, so they are decimal strings. */
export function bigintsAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

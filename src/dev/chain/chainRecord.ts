import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { DevError } from "../error.ts";

/** A block as it must come out again. */
export interface BlockEntry {
  readonly block: number;
  readonly hash: string;
  /** Unix seconds on the chain, and on our clock when it was recorded. */
  readonly time: number;
  readonly at: number;
  readonly randao: string;
  readonly transactions: readonly TransactionEntry[];
}

/** Signed, or sent in the name of an account that was impersonated. */
export type TransactionEntry = string | { readonly impersonated: Readonly<Record<string, unknown>> };

/** A call that changes the chain beside its blocks, such as `hardhat_setBalance`. */
export interface CallEntry {
  readonly method: string;
  readonly params: readonly unknown[];
}

export type ChainEntry = BlockEntry | CallEntry;

export function isBlock(entry: ChainEntry): entry is BlockEntry {
  return "block" in entry;
}

/**
 * Everything that made the chain what it is, in order: one JSON entry a line. Survives the process, not a power cut: it
 * is a development chain.
 */
export class ChainRecord {
  readonly #fd: number;
  #size: number;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  /** Opens or creates the file and reads it. Throws `state_damaged`; a last line cut short is dropped. */
  static open(path: string): { readonly record: ChainRecord; readonly entries: readonly ChainEntry[] } {
    const fd = openSync(path, "a+", 0o600);
    const text = readFileSync(path, "utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const record = new ChainRecord(fd, Buffer.byteLength(whole));
    const lines = whole.split("\n").slice(0, -1);
    const entries = lines.map((line, i): ChainEntry => {
      try {
        return JSON.parse(line) as ChainEntry;
      } catch (error) {
        closeSync(fd);
        const fields = { file: path, line: i + 1 };
        throw new DevError({ code: "state_damaged", fields }, { cause: error });
      }
    });
    ftruncateSync(fd, record.#size);
    return { record, entries };
  }

  /** Where the record ends now: what {@link ChainRecord.cut} takes it back to. */
  get size(): number {
    return this.#size;
  }

  append(entry: ChainEntry): void {
    this.#size += writeSync(this.#fd, `${JSON.stringify(entry)}\n`);
  }

  cut(size: number): void {
    ftruncateSync(this.#fd, size);
    this.#size = size;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

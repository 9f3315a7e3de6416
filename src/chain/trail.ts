import type { Hex } from "../protocol/bytes.ts";
import { ChainError } from "./error.ts";
import type { Header, RawLog } from "./eth.ts";

/** A log that was delivered, with its block's time. */
export interface TrailEvent {
  readonly log: RawLog;
  readonly timestamp: number;
  /** True once its confirmation was delivered. */
  confirmed: boolean;
}

/** The journalled form: what the watcher needs to go on where it stopped. */
export interface TrailRecord {
  readonly cursor: number;
  readonly headers: readonly Omit<Header, "baseFee">[];
  readonly events: readonly TrailEvent[];
}

/** Events kept of blocks a reorganisation may still take; far above what one node's channels do in that time. */
const MAX_TRAIL_EVENTS = 100_000;

/**
 * The recent chain as this node saw it: headers (not every one), delivered events, and the cursor: the last block that
 * is not read again, all of its events delivered as confirmed. Headers of every kept event's block are among them, so finding
 * the newest header that still stands tells exactly which events a reorganisation took.
 */
export class Trail {
  cursor: number;
  #headers: Header[];
  #events: TrailEvent[];

  constructor(record: TrailRecord) {
    this.cursor = record.cursor;
    this.#headers = record.headers.map((header) => ({ ...header, baseFee: undefined }));
    this.#events = [...record.events];
  }

  /** An empty trail that reads from block `from` on. */
  static startingAt(from: number): Trail {
    return new Trail({ cursor: from - 1, headers: [], events: [] });
  }

  /** Checks a journalled record's shape; the checksum has vouched for its content. */
  static fromRecord(value: unknown): Trail {
    const record = value as Partial<TrailRecord> | null;
    if (
      typeof record?.cursor !== "number" ||
      !Array.isArray(record.headers) ||
      !Array.isArray(record.events)
    ) {
      throw new ChainError({ code: "journal_damaged", record: "trail", reason: "shape" });
    }
    return new Trail(record as TrailRecord);
  }

  toRecord(): TrailRecord {
    return {
      cursor: this.cursor,
      headers: this.#headers.map(({ number, hash, parentHash, timestamp }) => ({
        number,
        hash,
        parentHash,
        timestamp,
      })),
      events: this.#events,
    };
  }

  /** Ascending by number. */
  get headers(): readonly Header[] {
    return this.#headers;
  }

  get newest(): Header | undefined {
    return this.#headers.at(-1);
  }

  headerAt(number: number): Header | undefined {
    return this.#headers.find((header) => header.number === number);
  }

  /** The newest known header at or below `number`. */
  headerUpTo(number: number): Header | undefined {
    return this.#headers.findLast((header) => header.number <= number);
  }

  /** Takes a header in, in place of any other of its height. */
  addHeader(header: Header): void {
    const at = this.#headers.findIndex((other) => other.number >= header.number);
    const index = at === -1 ? this.#headers.length : at;
    const same = this.#headers[index]?.number === header.number;
    this.#headers.splice(index, same ? 1 : 0, header);
  }

  /** Delivered events in blocks `from` to `to`, in chain order. */
  eventsBetween(from: number, to: number): TrailEvent[] {
    return this.#events.filter(({ log }) => log.blockNumber >= from && log.blockNumber <= to);
  }

  /** Records a delivered event, in chain order. */
  addEvent(event: TrailEvent): void {
    if (this.#events.length >= MAX_TRAIL_EVENTS) {
      throw new ChainError({
        code: "rpc_bad_answer",
        method: "eth_getLogs",
        reason: "too many events in reach",
      });
    }
    const before = this.#events.findLastIndex(({ log }) => isBefore(log, event.log));
    this.#events.splice(before + 1, 0, event);
  }

  removeEvent(event: TrailEvent): void {
    const at = this.#events.indexOf(event);
    if (at !== -1) this.#events.splice(at, 1);
  }

  /** Forgets the headers above `ancestor`, and reads on from there. */
  rewindTo(ancestor: number): void {
    this.#headers = this.#headers.filter((header) => header.number <= ancestor);
    this.cursor = Math.min(this.cursor, ancestor);
  }

  /** Drops what no reorganisation within `bound` blocks can reach; keeps one older header to notice a deeper one. */
  prune(bound: number): void {
    const newest = this.newest;
    if (newest === undefined) return;
    const oldest = this.headerUpTo(newest.number - bound)?.number ?? 0;
    this.#headers = this.#headers.filter((header) => header.number >= oldest);
    const floor = Math.min(this.cursor, newest.number - bound);
    this.#events = this.#events.filter(({ log, confirmed }) => !confirmed || log.blockNumber >= floor);
  }
}

/** Names a log across deliveries: the same log in another block is another event. */
export function logKey(log: Pick<RawLog, "blockHash" | "logIndex">): `${Hex}:${number}` {
  return `${log.blockHash}:${log.logIndex}`;
}

function isBefore(a: RawLog, b: RawLog): boolean {
  return a.blockNumber !== b.blockNumber ? a.blockNumber < b.blockNumber : a.logIndex < b.logIndex;
}

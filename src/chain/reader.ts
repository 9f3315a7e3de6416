import type { Address } from "../protocol/address.ts";
import type { ChannelId } from "../protocol/channel.ts";
import { ChainError } from "./error.ts";
import type { Eth, Header, RawLog } from "./eth.ts";
import { decodeEvent, type EscrowEvent, isPayoutOf } from "./event.ts";
import type { CallOptions } from "./jsonRpc.ts";
import type { LogRange } from "./logRange.ts";
import { logKey, type Trail, type TrailEvent } from "./trail.ts";
import type { ChainNotice } from "./watcher.ts";

/** Newest blocks that are read again however few confirmations are asked for: servers behind one address lag by a few. */
const REREAD_BLOCKS = 8;

export interface ReaderInit {
  readonly eth: Eth;
  readonly range: LogRange;
  /** Blocks an event must have, its own included; at least 1. */
  readonly depth: number;
  readonly knows: (channelId: ChannelId) => boolean;
  readonly payoutsOf: Address | undefined;
  readonly handler: (notice: ChainNotice) => Promise<void>;
}

/**
 * Reads the blocks after the cursor and delivers what is new in them.
 *
 * Blocks above the cursor are read again with every new head: so an event that one lagging server left out is found by the
 * next, and nothing is confirmed that is not in the chain at that moment.
 */
export class Reader {
  readonly #init: ReaderInit;

  constructor(init: ReaderInit) {
    this.#init = init;
  }

  /** Delivers up to `head` and advances the cursor; `save` makes the trail durable after each range. */
  async read(trail: Trail, head: Header, options: CallOptions, save: () => Promise<void>): Promise<void> {
    const boundary = head.number - this.#init.depth + 1;
    let next = trail.cursor + 1;
    while (next <= head.number) {
      const { logs, to } = await this.#init.range.read(next, head.number, options);
      const events = await this.#merge(trail, logs, next, to, head, options);
      for (const event of events) await this.#deliver(trail, event, boundary, options.signal);
      trail.cursor = Math.max(trail.cursor, Math.min(to, boundary, head.number - REREAD_BLOCKS));
      next = to + 1;
      if (next <= head.number) await save();
    }
  }

  /** Delivers, newest first, that every event above `ancestor` is gone. */
  async remove(trail: Trail, ancestor: number): Promise<void> {
    const gone = trail.eventsBetween(ancestor + 1, Number.MAX_SAFE_INTEGER).reverse();
    for (const event of gone) {
      const decoded = decodeEvent(event.log);
      if (decoded !== undefined) await this.#init.handler(noticeOf(decoded, event, "removed"));
      trail.removeEvent(event);
    }
  }

  /** The range's known and new events in chain order; new ones with their blocks' headers in the trail. */
  async #merge(
    trail: Trail,
    logs: readonly RawLog[],
    from: number,
    to: number,
    head: Header,
    options: CallOptions,
  ): Promise<{ event: TrailEvent; isNew: boolean }[]> {
    const known = new Map(trail.eventsBetween(from, to).map((event) => [logKey(event.log), event]));
    const merged: { event: TrailEvent; isNew: boolean }[] = [];
    for (const log of logs) {
      const before = known.get(logKey(log));
      known.delete(logKey(log));
      if (before !== undefined) merged.push({ event: before, isNew: false });
      else if (this.#concerns(log)) {
        const { timestamp } = await this.#headerOf(trail, log, head, options);
        merged.push({ event: { log, timestamp, confirmed: false }, isNew: true });
      }
    }
    const [missing] = known.values();
    if (missing !== undefined) {
      const block = missing.log.blockNumber;
      throw new ChainError({
        code: "rpc_inconsistent",
        reason: "a known event is missing from its block",
        block,
      });
    }
    return merged;
  }

  /** Every event about a channel has its id as first topic: strangers' events, nearly all there are, are not decoded. */
  #concerns(log: RawLog): boolean {
    const { knows, payoutsOf } = this.#init;
    const channelId = log.topics[1]?.toLowerCase() as ChannelId | undefined;
    const ours =
      (channelId !== undefined && knows(channelId)) ||
      (payoutsOf !== undefined && isPayoutOf(log, payoutsOf));
    return ours && decodeEvent(log) !== undefined;
  }

  /** The header of a log's block, which must be the canonical one, and is kept to notice when it no longer is. */
  async #headerOf(trail: Trail, log: RawLog, head: Header, options: CallOptions): Promise<Header> {
    const known = log.blockNumber === head.number ? head : trail.headerAt(log.blockNumber);
    const header = known ?? (await this.#init.eth.header(log.blockNumber, options));
    if (header?.hash !== log.blockHash) {
      const reason = "a log of a block that is not the chain's";
      throw new ChainError({ code: "rpc_inconsistent", reason, block: log.blockNumber });
    }
    if (known === undefined || known === head) trail.addHeader(header);
    return header;
  }

  async #deliver(
    trail: Trail,
    { event, isNew }: { event: TrailEvent; isNew: boolean },
    boundary: number,
    signal: AbortSignal,
  ): Promise<void> {
    const decoded = decodeEvent(event.log);
    if (decoded === undefined) return;
    signal.throwIfAborted();
    if (isNew) {
      await this.#init.handler(noticeOf(decoded, event, "seen"));
      trail.addEvent(event);
    }
    if (event.confirmed || event.log.blockNumber > boundary) return;
    await this.#init.handler(noticeOf(decoded, event, "confirmed"));
    event.confirmed = true;
  }
}

function noticeOf(decoded: EscrowEvent, event: TrailEvent, stage: ChainNotice["stage"]): ChainNotice {
  const { log, timestamp } = event;
  return {
    ...decoded,
    stage,
    confirmed: stage === "confirmed" || event.confirmed,
    id: logKey(log),
    block: { number: log.blockNumber, hash: log.blockHash, timestamp },
    transactionHash: log.transactionHash,
    logIndex: log.logIndex,
  };
}

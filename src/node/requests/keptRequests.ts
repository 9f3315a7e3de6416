import { createHash } from "node:crypto";
import type { DelOp, PutOp } from "../../store/store.ts";
import type { RecordEntry, Records } from "../records.ts";
import { NAMESPACE, splitTimeKey, timeKey } from "./requestRecord.ts";

/** A request as the index by expiry names it. */
export interface KeptRequest {
  /** Whose it is, as {@link KeptRequests.makers} names them. */
  readonly maker: string;
  readonly idKey: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What else is on disk under names of its own, to go with the request. */
export interface KeptNames {
  /** Its key among all by time of making. */
  readonly listed: string;
  /** The hash of its idempotency key. */
  readonly named?: string | undefined;
}

/** Where `NAMESPACE.indexed` says how far the index is. */
export const PLACE = "place";

/**
 * What is on disk of each maker's requests, by expiry, and how many: what is forgotten is found without a look at the
 * rest. Paid ones are in it until their time comes, so that a payment writes nothing here.
 */
export class KeptRequests {
  readonly #records: Records;
  /** Equal to what the last batch handed to the committer says. */
  readonly #counts = new Map<string, number>();

  constructor(records: Records) {
    this.#records = records;
  }

  /** `lost`: records may be missing. Counts are made again, and what was indexed is looked through again. */
  async open(lost: boolean): Promise<void> {
    if (lost) await this.#recount();
    for await (const { key, value } of this.#records.list<number>(NAMESPACE.keptCount))
      this.#counts.set(key, value);
  }

  async #recount(): Promise<void> {
    const counts = new Map<string, number>();
    for await (const { key } of this.#records.list(NAMESPACE.kept)) {
      const maker = key.slice(0, key.indexOf("/"));
      counts.set(maker, (counts.get(maker) ?? 0) + 1);
    }
    const ops: (PutOp | DelOp)[] = [this.#records.deleteOp(NAMESPACE.indexed, PLACE)];
    for await (const { key } of this.#records.list(NAMESPACE.keptCount))
      ops.push(this.#records.deleteOp(NAMESPACE.keptCount, key));
    for (const [maker, count] of counts) ops.push(this.#records.putOp(NAMESPACE.keptCount, maker, count));
    await this.#records.write(ops, { sync: false });
  }

  /** Everybody who has requests here. */
  makers(): string[] {
    return [...this.#counts.keys()];
  }

  countOf(maker: string): number {
    return this.#counts.get(maker) ?? 0;
  }

  /** Counts requests that no index has yet; the ops belong in a batch that is handed over in this turn. */
  add(requests: readonly (readonly [KeptRequest, KeptNames])[]): PutOp[] {
    for (const [{ maker }] of requests) this.#counts.set(maker, this.countOf(maker) + 1);
    const makers = new Set(requests.map(([{ maker }]) => maker));
    return [
      ...requests.map(([request, names]) => this.#records.putOp(NAMESPACE.kept, keyOf(request), names)),
      ...[...makers].map((maker) => this.#records.putOp(NAMESPACE.keptCount, maker, this.countOf(maker))),
    ];
  }

  /** The opposite of {@link add}, for requests of one maker. */
  drop(maker: string, requests: readonly KeptRequest[]) {
    const count = this.countOf(maker) - requests.length;
    const isOver = count <= 0;
    if (isOver) this.#counts.delete(maker);
    else this.#counts.set(maker, count);
    return [
      ...requests.map((request) => this.#records.deleteOp(NAMESPACE.kept, keyOf(request))),
      isOver
        ? this.#records.deleteOp(NAMESPACE.keptCount, maker)
        : this.#records.putOp(NAMESPACE.keptCount, maker, count),
    ];
  }

  /** The `limit` of a maker's requests that expire first. */
  async first(maker: string, limit: number): Promise<(readonly [KeptRequest, KeptNames])[]> {
    const found: (readonly [KeptRequest, KeptNames])[] = [];
    const prefix = `${maker}/`;
    for await (const entry of this.#records.list<KeptNames>(NAMESPACE.kept, { prefix, limit })) {
      found.push([keptOf(maker, entry), entry.value]);
    }
    return found;
  }

  /** Those that are in the index. */
  async known(requests: readonly KeptRequest[]): Promise<boolean[]> {
    const found = await this.#records.getMany(NAMESPACE.kept, requests.map(keyOf));
    return found.map((names) => names !== undefined);
  }
}

/** A maker as a part of keys: whatever a program calls its makers. Undefined: the node's own application. */
export function makerKey(maker: string | undefined): string {
  return createHash("sha256")
    .update(maker ?? "")
    .digest("hex")
    .slice(0, 32);
}

function keyOf({ maker, expiresAt, idKey }: KeptRequest): string {
  return `${maker}/${timeKey(expiresAt, idKey)}`;
}

function keptOf(maker: string, { key }: RecordEntry<KeptNames>): KeptRequest {
  const { time, idKey } = splitTimeKey(key.slice(maker.length + 1));
  return { maker, expiresAt: time, idKey };
}

import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeContext } from "../../src/node/context.ts";
import { Records } from "../../src/node/records.ts";
import {
  Forgetter,
  LEAST_REMEMBERED_SECONDS,
  MAX_KEPT_OF_ONE,
  REMEMBERED_SECONDS,
} from "../../src/node/requests/forgetter.ts";
import { makerKey } from "../../src/node/requests/keptRequests.ts";
import { RequestBook } from "../../src/node/requests/requestBook.ts";
import { idKeyOf, NAMESPACE, type StoredRequest, timeKey } from "../../src/node/requests/requestRecord.ts";
import { requestSecrets } from "../../src/node/requests/requestSecret.ts";
import { type ChannelId, fromHex, packTransfers, toHex, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type Database, openDatabaseOn } from "../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { SCHEMA } from "../../src/store/migration.ts";
import type { Op } from "../../src/store/store.ts";
import { collect } from "./support/collect.ts";

const DAY = 86_400;
const HOUR = 3_600;
const SOURCE = { channelId: `0x${"c".repeat(64)}` as ChannelId, peer: ZERO_ADDRESS, token: ZERO_ADDRESS };
const UNPAID = ["request", "open", "byTime", "byKey", "kept", "keptCount"] as const;

const secretOf = requestSecrets(randomBytes(32));
let database: Database;
let records: Records;
let now: number;
/** What the chain's clock is ahead of ours. */
let chainAhead: number;
let stopping: AbortController;

beforeEach(async () => {
  now = 1_800_000_000;
  chainAhead = 0;
  stopping = new AbortController();
  const mark = new MemoryMark(newMarkState(SCHEMA.version));
  database = await openDatabaseOn({ store: new MemoryStore(), mark, name: "memory", syncAfterMs: 60_000 });
  records = new Records(database.store, database.committer);
});
afterEach(async () => {
  stopping.abort();
  await database.close();
});

const commit = (ops: Op[]) => database.committer.commit(ops, { sync: false });

/** What a start makes of the database. */
async function start({ lost = false } = {}): Promise<{ book: RequestBook; forgetter: Forgetter }> {
  const book = new RequestBook({ records, secretOf, remember: () => [], now: () => now, lost });
  await book.open(stopping.signal);
  const chain = { newestTime: () => BigInt(now + chainAhead) };
  const { committer } = database;
  const context = { requests: book, records, committer, chain, stopping: stopping.signal };
  const forgetter = new Forgetter({ context: context as unknown as NodeContext, lost, now: () => now });
  return { book, forgetter };
}

function requestOf(expiresIn = HOUR, maker?: string): StoredRequest {
  const paymentHash = Uint8Array.from(randomBytes(32));
  return {
    request: "rvt1",
    preimage: toHex(randomBytes(32)),
    secret: toHex(secretOf(paymentHash.subarray(0, 16))),
    paymentHash: toHex(paymentHash),
    token: ZERO_ADDRESS,
    description: "",
    createdAt: now,
    expiresAt: now + expiresIn,
    addresses: [],
    ...(maker !== undefined && { maker }),
  };
}

/** An update that pays the request. */
function updateFor({ paymentHash, secret }: StoredRequest) {
  const paymentId = fromHex(idKeyOf(paymentHash));
  const entries = packTransfers([
    { amount: 5n, paymentId, applicationId: true, refund: false, reference: fromHex(secret) },
  ]);
  return { proof: { nonce: 1n }, entries } as never;
}

const countAll = () => Promise.all(UNPAID.map((name) => records.count(NAMESPACE[name])));
const knows = async ({ paymentHash }: StoredRequest) =>
  (await records.get(NAMESPACE.request, idKeyOf(paymentHash))) !== undefined;

describe("a request that expired unpaid", () => {
  it("is forgotten with all its names 30 days later, cancelled or not; one that was paid stays", async () => {
    const { book, forgetter } = await start();
    const [unpaid, cancelled, paid] = [requestOf(), requestOf(), requestOf()];
    for (const [i, one] of [unpaid, cancelled, paid].entries())
      await book.add(one, { key: `key${i}`, content: "" }, commit);
    expect(await book.cancel(idKeyOf(cancelled.paymentHash), commit)).toBe("cancelled");
    const update = updateFor(paid);
    const { ops } = book.judge(SOURCE, [update], await book.look([update]));
    await commit([...ops]);
    now += HOUR + REMEMBERED_SECONDS - 1;
    await forgetter.round();
    expect(await Promise.all([unpaid, cancelled, paid].map(knows))).toEqual([true, true, true]);
    now += 1;
    await forgetter.round();
    expect(await Promise.all([unpaid, cancelled, paid].map(knows))).toEqual([false, false, true]);
    expect(await countAll()).toEqual([1, 0, 1, 1, 0, 0]);
    expect(await records.count(NAMESPACE.paid)).toBe(1);
    expect(await book.cancel(idKeyOf(unpaid.paymentHash), commit)).toBe("unknown");
  });

  it.each([
    ["our clock", 60 * DAY, 0],
    ["the chain's", 0, 60 * DAY],
  ])("is not forgotten because %s alone is ahead", async (_whose, ours, chains) => {
    const { book, forgetter } = await start();
    const one = requestOf();
    await book.add(one, undefined, commit);
    [now, chainAhead] = [now + ours, chains - ours];
    await forgetter.round();
    expect(await knows(one)).toBe(true);
    [now, chainAhead] = [one.expiresAt + REMEMBERED_SECONDS, 0];
    await forgetter.round();
    expect(await knows(one)).toBe(false);
  });

  it("is given back what pays it while it is forgotten, whatever a clock says then", async () => {
    const { book, forgetter } = await start();
    const one = requestOf();
    await book.add(one, undefined, commit);
    now = one.expiresAt + REMEMBERED_SECONDS;
    const update = updateFor(one);
    const known = await book.look([update]);
    await forgetter.round();
    now = one.createdAt;
    for (const seen of [known, await book.look([update])]) {
      const { paid, refunds } = book.judge(SOURCE, [update], seen);
      expect({ paid, refunds }).toEqual({ paid: [], refunds: 1 });
    }
  });

  it("is known by its secret when it is gone: what pays it then is given back, after a restart too", async () => {
    const { book, forgetter } = await start();
    const one = requestOf();
    await book.add(one, undefined, commit);
    now = one.expiresAt + REMEMBERED_SECONDS;
    await forgetter.round();
    const { book: next } = await start();
    expect(next.isEmpty).toBe(false);
    const update = updateFor(one);
    const { paid, refunds } = next.judge(SOURCE, [update], await next.look([update]));
    expect({ paid, refunds }).toEqual({ paid: [], refunds: 1 });
    const foreign = updateFor({ ...one, secret: toHex(randomBytes(32)) });
    expect((await next.look([foreign])).size).toBe(0);
    // It may be one that was paid before the loss.
    const { book: lost } = await start({ lost: true });
    expect((await lost.look([update])).size).toBe(0);
  });

  it("stays where its payment is on its way to the disk", async () => {
    const { book, forgetter } = await start();
    const one = requestOf();
    await book.add(one, undefined, commit);
    const update = updateFor(one);
    const { ops, paid } = book.judge(SOURCE, [update], await book.look([update]));
    expect(paid).toHaveLength(1);
    now = one.expiresAt + REMEMBERED_SECONDS;
    await forgetter.round();
    await commit([...ops]);
    expect(await knows(one)).toBe(true);
    expect(await records.count(NAMESPACE.paid)).toBe(1);
  });

  it("stays while the database may have lost payments, which pay it late", async () => {
    const { book, forgetter } = await start({ lost: true });
    const one = requestOf();
    await book.add(one, undefined, commit);
    now = one.expiresAt + REMEMBERED_SECONDS;
    await forgetter.round();
    const update = updateFor(one);
    expect(book.judge(SOURCE, [update], await book.look([update])).paid).toHaveLength(1);
  });

  it("is found after restarts, also where it was made before there was an index", async () => {
    const { book } = await start();
    const made = Array.from({ length: 600 }, () => requestOf());
    await Promise.all(made.map((one) => book.add(one, undefined, commit)));
    for (const name of [NAMESPACE.kept, NAMESPACE.keptCount])
      for await (const { key } of records.list(name)) await records.delete(name, key, { sync: false });
    const { book: second, forgetter } = await start();
    const newer = requestOf(2 * HOUR);
    await second.add(newer, undefined, commit);
    await forgetter.round();
    expect(await records.count(NAMESPACE.kept)).toBe(601);
    expect(second.kept.countOf(makerKey(undefined))).toBe(601);
    now += HOUR + REMEMBERED_SECONDS;
    const { book: third, forgetter: last } = await start();
    await last.round();
    expect(await countAll()).toEqual([1, 1, 1, 0, 1, 1]);
    expect(third.kept.countOf(makerKey(undefined))).toBe(1);
  });
});

it("is found after a loss, which may have taken what the index or its counts say", async () => {
  const { book, forgetter } = await start();
  const made = Array.from({ length: 3 }, () => requestOf());
  await Promise.all(made.map((one) => book.add(one, undefined, commit)));
  await forgetter.round();
  const first = await collect(records.list(NAMESPACE.kept, { limit: 1 }));
  await records.delete(NAMESPACE.kept, first[0]!.key, { sync: false });
  await records.delete(NAMESPACE.keptCount, makerKey(undefined), { sync: false });
  const { book: lost } = await start({ lost: true });
  expect(lost.kept.countOf(makerKey(undefined))).toBe(2);
  now += HOUR + REMEMBERED_SECONDS;
  const { forgetter: last } = await start();
  await last.round();
  expect(await Promise.all(made.map(knows))).toEqual([false, false, false]);
  expect(await records.count(NAMESPACE.keptCount)).toBe(0);
});

it("is forgotten sooner where one maker has too many, nobody else's for it, and none within an hour", async () => {
  const { book, forgetter } = await start();
  const [first, other] = [requestOf(1, "thief"), requestOf(1, "shop")];
  for (const one of [first, other]) await book.add(one, undefined, commit);
  const thief = makerKey("thief");
  // What else a request has on disk is of no concern here.
  const more = (count: number, expiresAt: number) =>
    Array.from({ length: count }, (_, i) => {
      const idKey = `0x${i.toString(16).padStart(32, "0")}`;
      return [{ maker: thief, idKey, expiresAt }, { listed: timeKey(now, idKey) }] as const;
    });
  const surplus = 600;
  await commit(book.kept.add(more(MAX_KEPT_OF_ONE - 1, now + 3)));
  await commit(book.kept.add(more(surplus, now + 2)));
  now += LEAST_REMEMBERED_SECONDS;
  await forgetter.round();
  expect(book.kept.countOf(thief)).toBe(MAX_KEPT_OF_ONE + surplus);
  now += HOUR;
  await forgetter.round();
  expect(book.kept.countOf(thief)).toBe(MAX_KEPT_OF_ONE);
  expect(await Promise.all([first, other].map(knows))).toEqual([false, true]);
}, 60_000);

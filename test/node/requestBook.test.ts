import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Records } from "../../src/node/records.ts";
import { MAX_OPEN_OF_ONE } from "../../src/node/requests/openOfMakers.ts";
import { RequestBook } from "../../src/node/requests/requestBook.ts";
import { idKeyOf, type StoredRequest } from "../../src/node/requests/requestRecord.ts";
import { requestSecrets } from "../../src/node/requests/requestSecret.ts";
import { toHex, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { type Database, openDatabaseOn } from "../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { SCHEMA } from "../../src/store/migration.ts";
import type { Op } from "../../src/store/store.ts";

let database: Database;
let now: number;

beforeEach(async () => {
  now = 1_800_000_000;
  const mark = new MemoryMark(newMarkState(SCHEMA.version));
  database = await openDatabaseOn({ store: new MemoryStore(), mark, name: "memory", syncAfterMs: 60_000 });
});
afterEach(() => database.close());

async function openBook(): Promise<RequestBook> {
  const records = new Records(database.store, database.committer);
  const book = new RequestBook({
    records,
    secretOf: requestSecrets(randomBytes(32)),
    remember: () => [],
    now: () => now,
    lost: false,
  });
  await book.open(new AbortController().signal);
  return book;
}

const commit = (ops: Op[]) => database.committer.commit(ops, { sync: false });

function requestOf(maker: string | undefined): StoredRequest {
  return {
    request: "rvt1",
    preimage: toHex(randomBytes(32)),
    secret: toHex(randomBytes(32)),
    paymentHash: toHex(randomBytes(32)),
    token: ZERO_ADDRESS,
    description: "",
    createdAt: now,
    expiresAt: now + 3_600,
    addresses: [],
    ...(maker !== undefined && { maker }),
  };
}

describe("one maker of requests", () => {
  it("has so many open and no more, over a restart, and takes nobody else's room", async () => {
    const book = await openBook();
    const made = Array.from({ length: MAX_OPEN_OF_ONE }, () => requestOf("thief"));
    await Promise.all(made.map((one) => book.add(one, undefined, commit)));
    const full = { code: "requests_full", fields: { limit: BigInt(MAX_OPEN_OF_ONE) } };
    await expect(book.add(requestOf("thief"), undefined, commit)).rejects.toMatchObject(full);
    await book.add(requestOf("other"), undefined, commit);
    await book.add(requestOf(undefined), undefined, commit);
    const again = await openBook();
    await expect(again.add(requestOf("thief"), undefined, commit)).rejects.toMatchObject(full);
    expect(await again.cancel(idKeyOf(made[0]!.paymentHash), commit)).toBe("cancelled");
    await again.add(requestOf("thief"), undefined, commit);
    await expect(again.add(requestOf("thief"), undefined, commit)).rejects.toMatchObject(full);
    // Nobody can pay them any more.
    now += 3_800;
    await again.add(requestOf("thief"), undefined, commit);
  }, 60_000);

  it("makes no more by letting them expire at once, and is refused at no cost", async () => {
    const book = await openBook();
    const short = () => ({ ...requestOf("thief"), expiresAt: now + 1 });
    await Promise.all(Array.from({ length: MAX_OPEN_OF_ONE }, () => book.add(short(), undefined, commit)));
    now += 600;
    const began = performance.now();
    const one = short();
    const codes = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      await book.add(one, undefined, commit).catch(({ code }: { code: string }) => codes.add(code));
    }
    expect([...codes]).toEqual(["requests_full"]);
    const each = (performance.now() - began) / 20_000;
    console.log(`a refused request: ${(each * 1000).toFixed(1)} µs`);
    expect(each).toBeLessThan(0.2);
    now += 3_001;
    await book.add(short(), undefined, commit);
  }, 60_000);
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SpendingAccount } from "../../../src/node/limits/account.ts";
import type { Budget } from "../../../src/node/limits/caps.ts";
import { Decisions } from "../../../src/node/limits/decisions.ts";
import { Records } from "../../../src/node/records.ts";
import type { Address } from "../../../src/protocol/index.ts";
import { type Database, openDatabaseOn } from "../../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../../src/store/mark.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { SCHEMA } from "../../../src/store/migration.ts";
import { PowerLossStore } from "../../../src/store/powerLossStore.ts";

const seed = Number(process.env.RIVULET_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`spending accounts: RIVULET_SEED=${seed}`);

const token = `0x${"1".repeat(40)}` as Address;
const caps: Budget = { token, perHour: 6_400n, total: 20_000n };
const NOW = 1_800_000_000_000;

let disk: MemoryStore;
let database: Database;
let mark: MemoryMark;

async function open(seedOfLoss?: number): Promise<Records> {
  const store = seedOfLoss === undefined ? disk : new PowerLossStore(disk, { seed: seedOfLoss });
  power = store instanceof PowerLossStore ? store : undefined;
  database = await openDatabaseOn({ store, mark, name: "memory", syncAfterMs: 60_000 });
  return new Records(database.store, database.committer);
}
let power: PowerLossStore | undefined;

beforeEach(() => {
  disk = new MemoryStore();
  mark = new MemoryMark(newMarkState(SCHEMA.version));
});
afterEach(() => database.close().catch(() => {}));

describe("an account of spending", () => {
  it("says after a restart at least what was spent, and at most a lease more", async () => {
    const account = await SpendingAccount.open(await open(), "a", NOW);
    for (let i = 0; i < 50; i++) {
      account.hold(NOW + i, 7n);
      await account.cover(caps);
    }
    await database.committer.flush();
    const again = await SpendingAccount.open(await open(), "a", NOW + 100);
    const { total, perHour } = again.spent(NOW + 100);
    for (const sum of [total, perHour]) {
      expect(sum).toBeGreaterThanOrEqual(350n);
      expect(sum).toBeLessThanOrEqual(350n + 6_400n / 64n);
    }
  });

  it("never lets more through than its cap, however often the power goes", async () => {
    let paid = 0n;
    for (let life = 0; life < 40; life++) {
      const records = await open(seed + life);
      const account = await SpendingAccount.open(records, "a", NOW + life);
      for (let i = 0; i < 37; i++) {
        const amount = BigInt(1 + ((life * 37 + i) % 90));
        if (account.check(caps, NOW + life, amount) !== undefined) continue;
        account.hold(NOW + life, amount);
        await account.cover(caps);
        paid += amount; // it left
      }
      await power!.crash();
    }
    expect(paid).toBeGreaterThan(3_000n);
    expect(paid).toBeLessThanOrEqual(6_400n);
  });

  it("writes once per lease, and once for all that come together", async () => {
    const records = await open();
    const account = await SpendingAccount.open(records, "a", NOW);
    const before = database.committer.progress.written;
    for (let i = 0; i < 100; i++) {
      account.hold(NOW, 2n);
      await account.cover(caps);
    }
    const writes = database.committer.progress.written - before;
    expect(writes).toBeGreaterThan(1);
    expect(writes).toBeLessThan(5);
    const together = database.committer.progress.written;
    const covers = Array.from({ length: 40 }, () => {
      account.hold(NOW, 90n);
      return account.cover(caps);
    });
    await Promise.all(covers);
    expect(database.committer.progress.written - together).toBeLessThan(4);
  });

  it("gives back what was not spent, but not twice through the lease", async () => {
    const account = await SpendingAccount.open(await open(), "a", NOW);
    const hold = account.hold(NOW, 6_000n);
    await account.cover(caps);
    expect(account.check(caps, NOW, 500n)?.rule).toBe("perHour");
    account.release(hold);
    expect(account.check(caps, NOW, 500n)).toBeUndefined();
    expect(account.spent(NOW)).toEqual({ perHour: 0n, perDay: 0n, perMonth: 0n, total: 0n });
    // Spent later than what was given back: after a crash it must still count in its own hour.
    const later = NOW + 55 * 60_000;
    account.hold(later, 5_900n);
    await account.cover(caps);
    await database.committer.flush();
    const again = await SpendingAccount.open(await open(), "a", NOW + 70 * 60_000);
    expect(again.spent(NOW + 70 * 60_000).perHour).toBeGreaterThanOrEqual(5_900n);
  });

  it("costs nothing where nothing has to be remembered", async () => {
    const account = await SpendingAccount.open(await open(), "a", NOW);
    const before = database.committer.progress.written;
    account.hold(NOW, 1n);
    await account.cover({ token, perPayment: 5n });
    expect(database.committer.progress.written).toBe(before);
  });
});

describe("the audit log", () => {
  const refused = {
    verdict: "refused",
    rule: "budget.total",
    reason: "too much",
    spender: "t",
    token,
  } as const;

  it("counts a flood of the same refusal in one entry, so nothing older is washed out", async () => {
    const decisions = await Decisions.open(await open());
    await decisions.add({ verdict: "frozen", rule: "freeze", reason: "by hand" }, NOW);
    for (let i = 0; i < 1_000; i++) await decisions.add(refused, NOW + i);
    await decisions.add(refused, NOW + 61_000);
    const list = [];
    for await (const decision of decisions.list({ limit: 10 })) list.push(decision);
    expect(list.map(({ verdict, count }) => [verdict, count])).toEqual([
      ["refused", 1],
      ["refused", 512],
      ["frozen", 1],
    ]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openDatabaseOn } from "../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";
import { seededRandom } from "../../src/store/random.ts";
import { LedgerWriter, readLedger } from "./ledger.ts";

/** Opens, commits at random from several callers at once, and cuts the power somewhere in between. */
async function life(disk: MemoryStore, mark: MemoryMark, seed: number, ignoreSync: boolean) {
  const random = seededRandom(seed);
  const store = new PowerLossStore(disk, { seed, tail: random() < 0.5 ? "prefix" : "none", ignoreSync });
  const database = await openDatabaseOn({ store, mark, name: "memory", syncAfterMs: 1 });
  const ledger = await readLedger(database);
  const writer = await LedgerWriter.on(database, 4);
  const acknowledged = new Map<number, number>();
  const commits: Promise<unknown>[] = [];
  for (let i = 0; i < 30; i++) {
    const sync = random() < 0.4;
    const commit = writer.commit(Math.floor(random() * 4), sync).then(
      ([channel, sequence]) => {
        if (sync) acknowledged.set(channel, sequence);
      },
      () => {},
    );
    commits.push(commit);
    if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  }
  await store.crash();
  await Promise.all(commits);
  return { lost: database.integrity.lost, ledger, acknowledged };
}

/** Several lives on one disk. Throws at the first loss. */
async function lives(seed: number, ignoreSync: boolean): Promise<void> {
  const disk = new MemoryStore();
  const mark = new MemoryMark(newMarkState(1));
  let acknowledged = new Map<number, number>();
  for (let i = 0; i < 6; i++) {
    const now = await life(disk, mark, seed + i, ignoreSync);
    if (now.lost) throw new Error("reported as damaged");
    for (const [channel, sequence] of acknowledged) {
      if ((now.ledger.sequences.get(channel) ?? 0) < sequence)
        throw new Error("an acknowledged commit is gone");
    }
    acknowledged = now.acknowledged;
  }
}

describe("power loss", () => {
  it("leaves a prefix of the commits that holds every synced one, and is no damage", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1e9), (seed) => lives(seed, false)),
      { numRuns: 60 },
    );
  });

  it("loses synced commits, noticed at the next opening, when sync is switched off", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => lives(i * 100, true)));
    expect(outcomes.filter((outcome) => outcome.status === "rejected").length).toBeGreaterThan(15);
  });

  it("takes away exactly what was not synced when nothing was written back", async () => {
    const disk = new MemoryStore();
    const store = new PowerLossStore(disk, { seed: 1 });
    const put = (key: number) =>
      [{ type: "put", key: Uint8Array.of(key), value: Uint8Array.of(key) }] as const;
    await store.write(put(1), { sync: false });
    await store.write(put(2), { sync: true });
    await store.write(put(3), { sync: false });
    await store.write([{ type: "del", key: Uint8Array.of(1) }], { sync: false });
    expect(await store.get(Uint8Array.of(1))).toBeUndefined();
    expect(await store.crash()).toEqual({ lostBatches: 2, survivingBatches: 0 });
    expect(await disk.getMany([1, 2, 3].map((key) => Uint8Array.of(key)))).toEqual([
      Uint8Array.of(1),
      Uint8Array.of(2),
      undefined,
    ]);
    await expect(store.write(put(4), { sync: true })).rejects.toThrow("power");
    await expect(store.get(Uint8Array.of(1))).rejects.toThrow("power");
  });

  it("spares the same prefix for the same seed, of any length", async () => {
    const survivors = async (seed: number) => {
      const store = new PowerLossStore(new MemoryStore(), { seed, tail: "prefix" });
      for (let i = 0; i < 6; i++) {
        await store.write([{ type: "put", key: Uint8Array.of(i), value: Uint8Array.of(i) }], { sync: false });
      }
      return 6 - (await store.crash()).lostBatches;
    };
    const counts = await Promise.all(Array.from({ length: 60 }, (_, seed) => survivors(seed)));
    expect(await Promise.all(Array.from({ length: 60 }, (_, seed) => survivors(seed)))).toEqual(counts);
    expect(new Set(counts).size).toBeGreaterThanOrEqual(4);
  });
});

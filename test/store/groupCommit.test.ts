import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { channelSequence, setChannelSequence } from "../../src/store/channelSequence.ts";
import { decodeCommitRecord } from "../../src/store/commitRecord.ts";
import { unframe } from "../../src/store/frame.ts";
import { GroupCommit } from "../../src/store/groupCommit.ts";
import { COMMIT_KEY, channelKey, compareKeys } from "../../src/store/keys.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import type { Op, Store, WriteOptions } from "../../src/store/store.ts";

const HEAD = { sequence: 0, syncedThrough: 0, channels: 0, channelSequences: 0 };

interface Written {
  readonly ops: readonly Op[];
  readonly sync: boolean;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
}

/** A store whose writes end when the test says so. */
class HeldStore extends MemoryStore {
  readonly writes: Written[] = [];
  hold = true;

  override async write(ops: readonly Op[], options: WriteOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.writes.push({ ops, sync: options.sync, finish: resolve, fail: reject });
    if (!this.hold) resolve();
    await promise;
    await super.write(ops, options);
  }
}

function committerOn(store: Store, more: { roomBytes?: number; syncAfterMs?: number } = {}) {
  const marks: number[] = [];
  const committer = new GroupCommit({
    store,
    head: HEAD,
    recordMark: (sequence) => marks.push(sequence),
    ...more,
  });
  return { committer, marks };
}

const put = (key: number, value: number): Op => ({
  type: "put",
  key: Uint8Array.of(0x30, key),
  value: Uint8Array.of(value),
});
const ticks = () => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a batch puts, without the commit record: key → payload. */
function payloads(ops: readonly Op[]): number[][] {
  return ops.slice(1).map((op) => {
    if (op.type === "del") return [op.key[1]!, -1];
    return [op.key[1]!, ...unframe(op.key, op.value)!];
  });
}

function commitOf(ops: readonly Op[]) {
  const first = ops[0]!;
  if (first.type !== "put" || compareKeys(first.key, COMMIT_KEY) !== 0)
    throw new Error("no commit record in front");
  return decodeCommitRecord(unframe(COMMIT_KEY, first.value)!)!;
}

describe("merging", () => {
  it("puts everything that arrives during a write into the next batch, the last word on a key winning", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store);
    const first = committer.commit([put(1, 1)], { sync: true });
    await ticks();
    const later = [
      committer.commit([put(1, 2), put(2, 1)], { sync: false }),
      committer.commit([put(3, 1)], { sync: false }),
      committer.commit([put(1, 3), { type: "del", key: Uint8Array.of(0x30, 3) }], { sync: false }),
    ];
    store.writes[0]!.finish();
    await first;
    await ticks();
    expect(store.writes).toHaveLength(2);
    expect(payloads(store.writes[1]!.ops)).toEqual([
      [1, 3],
      [2, 1],
      [3, -1],
    ]);
    expect(store.writes[1]!.sync).toBe(false);
    store.hold = false;
    store.writes[1]!.finish();
    await Promise.all(later);
    await committer.close();
  });

  it("makes a merge synced as soon as one of its commits is", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer, marks } = committerOn(store);
    await Promise.all([
      committer.commit([put(1, 1)], { sync: false }),
      committer.commit([put(2, 1)], { sync: true }),
      committer.commit([put(3, 1)], { sync: false }),
    ]);
    expect(store.writes.map((write) => write.sync)).toEqual([true]);
    expect(marks).toEqual([1]);
    await committer.close();
  });

  it("tells nobody before the batch is written and the mark is raised", async () => {
    const store = new HeldStore();
    const { committer, marks } = committerOn(store);
    let told = false;
    const commit = committer.commit([put(1, 1)], { sync: true }).then(() => {
      told = true;
      expect(marks).toEqual([1]);
    });
    await ticks();
    expect(told).toBe(false);
    expect(marks).toEqual([]);
    store.writes[0]!.finish();
    await commit;
    await committer.close();
  });

  it("numbers its batches without a gap and says in each what was durable before it", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer } = committerOn(store, { syncAfterMs: 10_000 });
    for (const sync of [true, false, false, true, false]) await committer.commit([put(1, 1)], { sync });
    const commits = store.writes.map((write) => commitOf(write.ops));
    expect(commits.map((commit) => commit.sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(commits.map((commit) => commit.syncedThrough)).toEqual([0, 1, 1, 1, 4]);
    await committer.close();
  });

  it("ends in the state that the commits give one by one, whatever is merged", async () => {
    const op = fc.oneof(
      fc.tuple(fc.nat(5), fc.nat(255)).map(([key, value]) => put(key, value)),
      fc.nat(5).map((key): Op => ({ type: "del", key: Uint8Array.of(0x30, key) })),
    );
    const commits = fc.array(
      fc.record({ ops: fc.array(op, { maxLength: 4 }), sync: fc.boolean(), pause: fc.nat(2) }),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(commits, async (script) => {
        const [merged, plain] = [new MemoryStore(), new MemoryStore()];
        const { committer } = committerOn(merged);
        const done: Promise<void>[] = [];
        for (const { ops, sync, pause } of script) {
          done.push(committer.commit(ops, { sync }));
          await plain.write(ops, { sync });
          for (let i = 0; i < pause; i++) await ticks();
        }
        await Promise.all(done);
        for (let key = 0; key <= 5; key++) {
          const at = Uint8Array.of(0x30, key);
          const framed = await merged.get(at);
          expect(framed && unframe(at, framed)).toEqual(await plain.get(at));
        }
        await committer.close();
      }),
      { numRuns: 200 },
    );
  });

  it("counts every put of a channel record, merged or not, and what is removed", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer } = committerOn(store);
    const record = (id: number, sequence: number): Op => {
      const value = new Uint8Array(8);
      setChannelSequence(value, sequence);
      expect(channelSequence(value)).toBe(sequence);
      return { type: "put", key: channelKey(new Uint8Array(32).fill(id)), value };
    };
    await Promise.all([1, 2, 3].map((sequence) => committer.commit([record(1, sequence)], { sync: true })));
    await committer.commit([record(2, 1), record(2, 2)], { sync: true });
    expect(commitOf(store.writes.at(-1)!.ops)).toMatchObject({ channels: 2, channelSequences: 5 });
    await committer.commit([{ type: "del", key: record(1, 3).key, sequence: 3 }], { sync: true });
    expect(commitOf(store.writes.at(-1)!.ops)).toMatchObject({ channels: 1, channelSequences: 2 });
    expect(() => committer.commit([{ type: "del", key: record(2, 1).key }], { sync: true })).toThrow(
      "name its sequence",
    );
    await committer.close();
  });
});

describe("unsynced commits", () => {
  it("are synced soon after, once for all of them", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer, marks } = committerOn(store);
    for (let i = 0; i < 5; i++) await committer.commit([put(1, i)], { sync: false });
    await sleep(120);
    expect(store.writes.map((write) => write.sync)).toEqual([false, false, false, false, false, true]);
    expect(marks).toEqual([6]);
    expect(committer.progress).toEqual({ written: 6, synced: 6 });
    await committer.close();
    expect(store.writes).toHaveLength(6);
  });

  it("need no sync of their own when a synced commit follows", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer } = committerOn(store);
    await committer.commit([put(1, 1)], { sync: false });
    await committer.commit([put(1, 2)], { sync: true });
    await sleep(120);
    expect(store.writes.map((write) => write.sync)).toEqual([false, true]);
    await committer.close();
    expect(store.writes).toHaveLength(2);
  });

  it("are durable after flush and after close", async () => {
    const store = new HeldStore();
    store.hold = false;
    const { committer, marks } = committerOn(store, { syncAfterMs: 60_000 });
    await committer.commit([put(1, 1)], { sync: false });
    await committer.flush();
    expect(marks).toEqual([2]);
    void committer.commit([put(1, 2)], { sync: false });
    await committer.close();
    expect(marks).toEqual([2, 3]);
    await expect(committer.commit([put(1, 3)], { sync: true })).rejects.toMatchObject({
      code: "store_closed",
    });
  });
});

describe("whoever asks when something is durable", () => {
  it("is told by the next sync there is, and asks for none", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store, { syncAfterMs: 60_000 });
    await committer.durable();
    const told: string[] = [];
    const ask = (name: string) => void committer.durable().then(() => told.push(name));
    void committer.commit([put(1, 1)], { sync: false });
    ask("queued");
    await ticks();
    ask("being written");
    store.writes[0]!.finish();
    await ticks();
    ask("written");
    await ticks();
    expect([told, store.writes.length]).toEqual([[], 1]);
    void committer.commit([put(2, 2)], { sync: true });
    await ticks();
    expect(told).toEqual([]);
    store.writes[1]!.finish();
    await ticks();
    expect(told.sort()).toEqual(["being written", "queued", "written"]);
    store.hold = false;
    await committer.durable();
    await committer.close();
  });

  it("may ask again in the moment it is told", async () => {
    const { committer } = committerOn(new MemoryStore(), { syncAfterMs: 1 });
    for (let i = 0; i < 50; i++) {
      void committer.commit([put(i, i)], { sync: i % 2 === 0 });
      await committer.durable();
      await committer.durable();
    }
    expect(committer.progress.synced).toBe(committer.progress.written);
    await committer.close();
  });

  it("is told of the failure instead", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store, { syncAfterMs: 60_000 });
    committer.commit([put(1, 1)], { sync: false }).catch(() => {});
    const first = committer.durable();
    await ticks();
    committer.commit([put(2, 2)], { sync: false }).catch(() => {});
    const second = committer.durable();
    store.writes[0]!.fail(new Error("gone"));
    await expect(first).rejects.toMatchObject({ code: "store_failed" });
    await expect(second).rejects.toMatchObject({ code: "store_failed" });
    await expect(committer.durable()).rejects.toMatchObject({ code: "store_failed" });
  });
});

describe("a failed write", () => {
  it.each([
    ["IO error: /db/000003.log: No space left on device", "disk_full"],
    ["IO error: /db/000003.log: Input/output error", "store_failed"],
  ])("reaches everybody and poisons the committer: %s", async (message, code) => {
    const store = new HeldStore();
    const { committer, marks } = committerOn(store, { roomBytes: 4 });
    const writing = committer.commit([put(1, 1)], { sync: true });
    await ticks();
    const waiting = [
      committer.commit([put(2, 1)], { sync: true }),
      committer.commit([put(3, 1)], { sync: false }),
    ];
    const room = committer.room();
    store.writes[0]!.fail(new Error(message));
    const results = await Promise.allSettled([writing, ...waiting, room]);
    const errors = results.map((result) => (result.status === "rejected" ? result.reason : undefined));
    expect(errors[0]).toMatchObject({ code, moneyAtStake: true });
    expect(new Set(errors).size).toBe(1);
    await expect(committer.commit([put(4, 1)], { sync: false })).rejects.toBe(errors[0]);
    await expect(committer.flush()).rejects.toBe(errors[0]);
    await expect(committer.room()).rejects.toBe(errors[0]);
    await expect(committer.failed).resolves.toBe(errors[0]);
    await expect(committer.close()).rejects.toBe(errors[0]);
    expect(store.writes).toHaveLength(1);
    expect(marks).toEqual([]);
  });

  it("in a sync of its own is told to the next who commits", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store, { syncAfterMs: 1 });
    const unsynced = committer.commit([put(1, 1)], { sync: false });
    await ticks();
    store.writes[0]!.finish();
    await unsynced;
    while (store.writes.length < 2) await sleep(2);
    store.writes[1]!.fail(new Error("IO error"));
    expect((await committer.failed).code).toBe("store_failed");
    await expect(committer.commit([put(1, 2)], { sync: false })).rejects.toMatchObject({
      code: "store_failed",
    });
  });

  it("of the mark counts as one, since nobody could be told of a later loss", async () => {
    const failing = new GroupCommit({
      store: new MemoryStore(),
      head: HEAD,
      recordMark: () => {
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      },
    });
    await expect(failing.commit([put(1, 1)], { sync: true })).rejects.toMatchObject({ code: "disk_full" });
    expect(failing.failure?.code).toBe("disk_full");
  });
});

describe("the queue", () => {
  it("makes those who ask for room wait until it has been taken to be written", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store, { roomBytes: 6 });
    const first = committer.commit([put(1, 1)], { sync: true });
    await ticks();
    expect(committer.hasRoom).toBe(true);
    const second = committer.commit([put(2, 1), put(3, 1)], { sync: true });
    expect(committer.hasRoom).toBe(false);
    let roomy = false;
    const room = committer.room().then(() => {
      roomy = true;
    });
    const impatient = new AbortController();
    const given = committer.room(impatient.signal);
    impatient.abort(new Error("not waiting"));
    await expect(given).rejects.toThrow("not waiting");
    await ticks();
    expect(roomy).toBe(false);
    store.hold = false;
    store.writes[0]!.finish();
    await Promise.all([first, second, room]);
    await committer.close();
  });

  it("refuses what would fill the memory, storing none of it, and goes on", async () => {
    const store = new HeldStore();
    const { committer } = committerOn(store, { roomBytes: 10 });
    const first = committer.commit([put(1, 1)], { sync: true });
    await ticks();
    const taken: Promise<void>[] = [];
    let refused = 0;
    for (let i = 0; i < 100; i++) {
      taken.push(
        committer.commit([put(i, 1)], { sync: true }).catch((error) => {
          expect(error).toMatchObject({ code: "store_overloaded", moneyAtStake: false });
          refused += 1;
        }),
      );
    }
    store.hold = false;
    store.writes[0]!.finish();
    await Promise.all([first, ...taken]);
    expect(refused).toBe(100 - 26);
    expect(payloads(store.writes[1]!.ops)).toHaveLength(26);
    await committer.commit([put(200, 1)], { sync: true });
    await committer.close();
  });

  it("takes a commit larger than itself when nothing waits", async () => {
    const { committer } = committerOn(new MemoryStore(), { roomBytes: 10 });
    await committer.commit([{ type: "put", key: Uint8Array.of(0x30), value: new Uint8Array(1000) }], {
      sync: true,
    });
    await committer.close();
  });
});

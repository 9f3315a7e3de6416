import { describe, expect, it } from "vitest";
import { EventLog, type Stored } from "../../../src/node/history/eventLog.ts";
import { openDatabaseOn } from "../../../src/store/database.ts";
import { eventKey } from "../../../src/store/keys.ts";
import { MemoryMark, newMarkState } from "../../../src/store/mark.ts";
import { MemoryStore } from "../../../src/store/memoryStore.ts";
import { SCHEMA } from "../../../src/store/migration.ts";
import { PowerLossStore } from "../../../src/store/powerLossStore.ts";
import { seededRandom } from "../../../src/store/random.ts";

/** A disk, its mark, and the log over them, which can lose power. */
class Machine {
  readonly disk = new MemoryStore();
  readonly mark = new MemoryMark(newMarkState(SCHEMA.version));
  power!: PowerLossStore;
  database!: Awaited<ReturnType<typeof openDatabaseOn>>;
  log!: EventLog;

  async start({
    seed = 1,
    losses,
    keep = 1_000_000,
  }: {
    seed?: number;
    losses?: number;
    keep?: number;
  } = {}) {
    this.power = new PowerLossStore(this.disk, { seed, tail: "prefix" });
    const { power: store, mark } = this;
    this.database = await openDatabaseOn({ store, mark, name: "test", syncAfterMs: 2 });
    const { store: reader, committer, integrity } = this.database;
    this.log = await EventLog.open({ store: reader, committer, losses: losses ?? integrity.epoch, keep });
    return this;
  }

  add(text: string, sync: boolean): Promise<void> {
    return this.database.committer.commit([this.log.append(Buffer.from(text))], { sync });
  }
}

const text = ({ bytes }: Stored) => Buffer.from(bytes).toString();

/** The next `count` records behind `cursor`, and the cursor behind them. */
async function read({ log }: Machine, cursor: string | undefined, count: number) {
  const { sequence } = log.positionOf(cursor);
  const texts: string[] = [];
  let last = cursor;
  if (count > 0) {
    for await (const record of log.follow(sequence, AbortSignal.timeout(10_000))) {
      texts.push(text(record));
      last = log.cursorOf({ sequence: record.sequence + 1, index: 0 });
      if (texts.length === count) break;
    }
  }
  return { texts, cursor: last };
}

describe("an event log", () => {
  it("tells everything in the order of the commits, goes on behind a cursor, and over restarts", async () => {
    const machine = await new Machine().start();
    await Promise.all(["a", "b", "c"].map((name, i) => machine.add(name, i === 2)));
    const first = await read(machine, "0", 2);
    expect(first.texts).toEqual(["a", "b"]);
    await machine.power.flush();
    await machine.power.crash();
    await machine.start();
    await machine.add("d", true);
    expect((await read(machine, first.cursor, 2)).texts).toEqual(["c", "d"]);
    expect((await read(machine, "0", 4)).texts).toEqual(["a", "b", "c", "d"]);
  });

  it("wakes a reader that waits, and begins with what comes next when it is given no cursor", async () => {
    const machine = await new Machine().start();
    await machine.add("old", true);
    await expect.poll(() => machine.log.positionOf(undefined).sequence).toBe(2);
    const next = read(machine, undefined, 2);
    await machine.add("new", false);
    await machine.add("newer", false);
    expect((await next).texts).toEqual(["new", "newer"]);
  });

  it("goes past sequences that were never written, however many a full disk queue refused", async () => {
    const machine = await new Machine().start();
    await machine.add("before", true);
    for (let i = 0; i < 300; i++) machine.log.append(Buffer.from("refused"));
    await machine.add("after", true);
    expect((await read(machine, "0", 2)).texts).toEqual(["before", "after"]);
  });

  it("tells nothing that a power cut takes back, whenever it comes", async () => {
    const machine = new Machine();
    const random = seededRandom(7);
    let cursor: string | undefined = "0";
    const told: string[] = [];
    let lost = 0;
    for (let life = 0; life < 60; life++) {
      await machine.start({ seed: life + 1 });
      const ending = new AbortController();
      const { sequence } = machine.log.positionOf(cursor);
      const following = (async () => {
        for await (const record of machine.log.follow(sequence, ending.signal)) {
          told.push(text(record));
          cursor = machine.log.cursorOf({ sequence: record.sequence + 1, index: 0 });
        }
      })().catch(() => {});
      for (let i = 0; i < 20; i++) {
        machine.add(`${life}.${i}`, random() < 0.3).catch(() => {});
        if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
      }
      lost += (await machine.power.crash()).lostBatches;
      ending.abort();
      await following;
    }
    await machine.start();
    const kept: string[] = [];
    for await (const [key, value] of machine.database.store.range({ gte: eventKey(1), lt: eventKey(1e6) })) {
      kept.push(text({ sequence: 0, bytes: value }));
      expect(key).toEqual(eventKey(kept.length));
    }
    expect(lost).toBeGreaterThan(0);
    expect(kept.slice(0, told.length)).toEqual(told);
    expect((await read(machine, cursor, kept.length - told.length)).texts).toEqual(kept.slice(told.length));
  });

  it("refuses cursors of before a loss, and says where to go on", async () => {
    const machine = await new Machine().start();
    await machine.add("a", true);
    const { cursor } = await read(machine, "0", 1);
    await machine.database.committer.flush();
    await machine.power.crash();
    await machine.start({ losses: 1 });
    let oldest = "";
    try {
      machine.log.positionOf(cursor);
    } catch (error) {
      expect(error).toMatchObject({ code: "cursor_expired" });
      oldest = String((error as { fields: Record<string, unknown> }).fields.oldest);
    }
    expect((await read(machine, oldest, 1)).texts).toEqual(["a"]);
    expect(() => machine.log.positionOf("rubbish")).toThrow(
      expect.objectContaining({ code: "cursor_invalid" }),
    );
    const ahead = String(cursor).replace(/-\d+-0$/, "-99-0");
    expect(() => machine.log.positionOf(ahead)).toThrow(expect.objectContaining({ code: "cursor_expired" }));
  });

  it("forgets its epoch while it is off, so that no cursor hides what was not recorded", async () => {
    const machine = await new Machine().start();
    await machine.add("a", true);
    const { cursor } = await read(machine, "0", 1);
    await EventLog.leave(machine.database.store, machine.database.committer);
    await machine.power.crash();
    await machine.start();
    expect(() => machine.log.positionOf(cursor)).toThrow(expect.objectContaining({ code: "cursor_expired" }));
  });

  it("keeps as many as it should, removes the oldest in batches, and tells a reader that came too late", async () => {
    const machine = await new Machine().start({ keep: 500 });
    const { cursor } = await (async () => {
      await machine.add("0", true);
      return read(machine, "0", 1);
    })();
    const slow = machine.log.follow(machine.log.positionOf("0").sequence, AbortSignal.timeout(10_000));
    expect(text((await slow.next()).value!)).toBe("0");
    for (let i = 1; i < 3_200; i++) void machine.add(String(i), false);
    await expect.poll(() => machine.log.positionOf("0").sequence).toBeGreaterThan(1_001);
    await machine.database.committer.flush();
    const count = await (async () => {
      let found = 0;
      for await (const _ of machine.database.store.range({ gte: eventKey(1), lt: eventKey(1e6) })) found++;
      return found;
    })();
    expect(count).toBeGreaterThanOrEqual(500);
    expect(count).toBeLessThan(1_500);
    expect(() => machine.log.positionOf(cursor)).toThrow(expect.objectContaining({ code: "cursor_expired" }));
    await expect(slow.next()).rejects.toMatchObject({ code: "cursor_expired" });
    const oldest = await read(machine, "0", 1);
    expect(Number(oldest.texts[0])).toBe(3_200 - count);
  });

  it("ends a waiting reader when its signal says so, and bounds how many wait", async () => {
    const machine = await new Machine().start();
    const ending = new AbortController();
    const readers = Array.from({ length: 1_024 }, () => machine.log.follow(1, ending.signal).next());
    await expect(machine.log.follow(1, ending.signal).next()).rejects.toMatchObject({ code: "queue_full" });
    ending.abort(new Error("enough"));
    for (const reader of readers) await expect(reader).rejects.toThrow("enough");
    const again = machine.log.follow(1, AbortSignal.timeout(10_000)).next();
    await machine.add("a", true);
    expect(text((await again).value!)).toBe("a");
  });
});

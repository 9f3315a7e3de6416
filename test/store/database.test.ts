import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Level } from "level";
import { afterAll, describe, expect, it } from "vitest";
import { setChannelSequence } from "../../src/store/channelSequence.ts";
import { type Database, openDatabaseOn } from "../../src/store/database.ts";
import { channelKey, channelRange, KEYSPACE, paymentKey, prefixRange } from "../../src/store/keys.ts";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { MarkFile, MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { SCHEMA, type SchemaPlan } from "../../src/store/migration.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";
import type { Op } from "../../src/store/store.ts";
import { fingerprint } from "./databaseImage.ts";
import { channelId, LedgerWriter, readLedger } from "./ledger.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-database-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;
const fresh = () => join(root, String(directories++));

const keyOf = (n: number) => paymentKey(new Uint8Array(16).fill(n), new Uint8Array(32));
const put = (key: Uint8Array, ...value: number[]): Op => ({
  type: "put",
  key,
  value: Uint8Array.from(value),
});

async function filled(directory: string, commits = 10): Promise<void> {
  const database = await openDatabase(directory);
  const writer = await LedgerWriter.on(database, 2);
  for (let i = 0; i < commits; i++) await writer.commit(i % 2, true);
  await database.close();
}

async function count(database: Database, space: number): Promise<number> {
  let entries = 0;
  for await (const _ of database.store.range(prefixRange(Uint8Array.of(space)))) entries += 1;
  return entries;
}

describe("opening a database", () => {
  it("creates it where there is nothing, readable by its owner only, and finds all of it again", async () => {
    const directory = join(fresh(), "in", "there");
    await filled(directory);
    for (let i = 0; i < 3; i++) {
      const database = await openDatabase(directory);
      expect(database.integrity).toMatchObject({ lost: false, epoch: 0, details: [] });
      expect((await readLedger(database)).journal).toBe(10);
      await database.close();
    }
    expect(readdirSync(directory).sort()).toEqual(["level", "lock", "mark"]);
  });

  it("finishes what a crash left of its creation", async () => {
    const directory = fresh();
    mkdirSync(join(directory, "level"), { recursive: true });
    MarkFile.create(join(directory, "mark"), newMarkState(1)).close();
    await filled(directory);
    const database = await openDatabase(directory);
    expect(database.integrity.lost).toBe(false);
    await database.close();
  });

  it("refuses while another process holds it, and touches none of its data", {
    timeout: 30_000,
  }, async () => {
    const directory = fresh();
    await filled(directory);
    const script = fileURLToPath(new URL("./heldProcess.ts", import.meta.url));
    const holder = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    const before = [fingerprint(join(directory, "level")), readFileSync(join(directory, "mark"), "hex")];
    await expect(openDatabase(directory)).rejects.toMatchObject({
      code: "database_locked",
      moneyAtStake: false,
    });
    expect([fingerprint(join(directory, "level")), readFileSync(join(directory, "mark"), "hex")]).toEqual(
      before,
    );
    holder.kill("SIGKILL");
    await new Promise((resolve) => holder.once("close", resolve));
    const database = await openDatabase(directory);
    expect(database.integrity.lost).toBe(false);
    await expect(openDatabase(directory)).rejects.toMatchObject({ code: "database_locked" });
    await database.close();
  });

  it("is not kept out by a broken lock", async () => {
    const directory = fresh();
    await filled(directory);
    for (const name of readdirSync(join(directory, "lock")))
      writeFileSync(join(directory, "lock", name), "broken");
    const database = await openDatabase(directory);
    expect((await readLedger(database)).journal).toBe(10);
    await database.close();
  });

  it("refuses a newer schema and leaves every byte as it is", async () => {
    const directory = fresh();
    const to = SCHEMA.version + 1;
    const newer: SchemaPlan = {
      version: to,
      migrations: [...SCHEMA.migrations, { to, run: async () => [] }],
    };
    const database = await openDatabase(directory, { schema: newer });
    await database.committer.commit([put(keyOf(1), 1)], { sync: true });
    await database.close();
    const before = fingerprint(directory);
    await expect(openDatabase(directory)).rejects.toMatchObject({ code: "database_newer" });
    expect(fingerprint(directory)).toBe(before);
    const again = await openDatabase(directory, { schema: newer });
    expect(await again.store.get(keyOf(1))).toEqual(Uint8Array.of(1));
    await again.close();
  });

  it("refuses a newer schema that only the database knows of, without writing", async () => {
    const directory = fresh();
    const newer: SchemaPlan = { version: SCHEMA.version + 1, migrations: [] };
    await (await openDatabase(directory, { schema: newer })).close();
    rmSync(join(directory, "mark"));
    await expect(openDatabase(directory)).rejects.toMatchObject({ code: "database_newer" });
  });

  it("refuses what is not a Rivulet database, and leaves it alone", async () => {
    const [files, other, inside] = [fresh(), fresh(), fresh()];
    mkdirSync(files);
    writeFileSync(join(files, "holiday.jpg"), "sun");
    const level = new Level(other);
    await level.put("a", "b");
    await level.close();
    const before = [fingerprint(files), fingerprint(other)];
    await expect(openDatabase(files)).rejects.toMatchObject({ code: "database_foreign" });
    await expect(openDatabase(other)).rejects.toMatchObject({ code: "database_foreign" });
    expect([fingerprint(files), fingerprint(other)]).toEqual(before);
    mkdirSync(inside);
    MarkFile.create(join(inside, "mark"), newMarkState(1)).close();
    renameSync(other, join(inside, "level"));
    await expect(openDatabase(inside)).rejects.toMatchObject({ code: "database_foreign" });
  });

  it("takes up a rebuild that was interrupted, whichever step it had reached", async () => {
    for (const step of ["copying", "swapping", "removing"]) {
      const directory = fresh();
      await filled(directory);
      const at = (name: string) => join(directory, name);
      if (step === "copying") mkdirSync(at("level.new"));
      if (step === "swapping") {
        renameSync(at("level"), at("level.new"));
        mkdirSync(at("level.old"));
      }
      if (step === "removing") mkdirSync(at("level.old"));
      const database = await openDatabase(directory);
      expect((await readLedger(database)).journal, step).toBe(10);
      expect(database.integrity.lost, step).toBe(false);
      await database.close();
      expect(readdirSync(directory).sort(), step).toEqual(["level", "lock", "mark"]);
    }
  });

  it("says that a database is gone instead of beginning a new one, unless told to repair", async () => {
    const directory = fresh();
    await filled(directory);
    rmSync(join(directory, "level"), { recursive: true });
    await expect(openDatabase(directory)).rejects.toMatchObject({
      code: "database_damaged",
      moneyAtStake: true,
    });
    const database = await openDatabase(directory, { repair: true });
    expect(database.integrity).toMatchObject({ lost: true, epoch: 1 });
    expect(database.committer.progress.written).toBeGreaterThan(10);
    await database.close();
  });
});

describe("channel records", () => {
  const record = (sequence: number, more: number): Op => {
    const value = new Uint8Array(40).fill(more);
    setChannelSequence(value, sequence);
    return { type: "put", key: channelKey(channelId(more)), value };
  };

  async function inMemory(store: MemoryStore, mark: MemoryMark): Promise<Database> {
    return openDatabaseOn({ store, mark, name: "memory" });
  }

  async function three(): Promise<{ store: MemoryStore; mark: MemoryMark; older: Uint8Array }> {
    const store = new MemoryStore();
    const mark = new MemoryMark(newMarkState(1));
    const database = await inMemory(store, mark);
    await database.committer.commit([record(1, 1), record(1, 2), record(1, 3)], { sync: true });
    const older = (await store.get(record(1, 2).key))!;
    await database.committer.commit([record(2, 2)], { sync: true });
    await database.committer.flush();
    return { store, mark, older };
  }

  it("are all there: no loss", async () => {
    const { store, mark } = await three();
    expect((await inMemory(store, mark)).integrity).toMatchObject({ lost: false, details: [] });
  });

  it("of which one is missing are a loss", async () => {
    const { store, mark } = await three();
    await store.write([{ type: "del", key: record(1, 3).key }], { sync: true });
    const { integrity } = await inMemory(store, mark);
    expect(integrity).toMatchObject({
      lost: true,
      epoch: 1,
      details: ["there are 2 channel records where there must be 3"],
    });
    expect((await inMemory(store, mark)).integrity).toMatchObject({ lost: true, epoch: 1, details: [] });
  });

  it("of which an older version has come back are a loss", async () => {
    const { store, mark, older } = await three();
    await store.write([{ type: "put", key: record(1, 2).key, value: older }], { sync: true });
    const { integrity } = await inMemory(store, mark);
    expect(integrity).toMatchObject({
      lost: true,
      details: ["channel records have 1 fewer changes than were made"],
    });
  });

  it("of which one is broken are a loss, and the broken one is put aside", async () => {
    const { store, mark } = await three();
    const key = record(1, 2).key;
    const broken = (await store.get(key))!;
    broken[20]! ^= 1;
    await store.write([{ type: "put", key, value: broken }], { sync: true });
    const database = await inMemory(store, mark);
    expect(database.integrity.lost).toBe(true);
    expect(await count(database, channelRange().gte[0]!)).toBe(2);
    expect(await store.get(Uint8Array.of(KEYSPACE.quarantine, ...key))).toEqual(broken);
    expect((await inMemory(store, mark)).integrity.details).toEqual([]);
  });

  it("under another channel's key count as broken", async () => {
    const { store, mark } = await three();
    await store.write([{ type: "put", key: record(1, 2).key, value: (await store.get(record(1, 3).key))! }], {
      sync: true,
    });
    expect((await inMemory(store, mark)).integrity.lost).toBe(true);
  });
});

describe("a record that has been altered", () => {
  it("is never handed out", async () => {
    const store = new MemoryStore();
    const database = await openDatabaseOn({ store, mark: new MemoryMark(newMarkState(1)), name: "memory" });
    await database.committer.commit([put(keyOf(1), 1, 2, 3)], { sync: true });
    const framed = (await store.get(keyOf(1)))!;
    for (let bit = 0; bit < framed.length * 8; bit++) {
      const altered = framed.slice();
      altered[bit >> 3]! ^= 1 << (bit & 7);
      await store.write([{ type: "put", key: keyOf(1), value: altered }], { sync: true });
      await expect(database.store.get(keyOf(1))).rejects.toMatchObject({ code: "record_damaged" });
      expect(() => database.store.lookUp(keyOf(1))).toThrow(
        expect.objectContaining({ code: "record_damaged" }),
      );
      await expect(database.store.getMany([keyOf(2), keyOf(1)])).rejects.toMatchObject({
        code: "record_damaged",
      });
      await expect(count(database, KEYSPACE.payment)).rejects.toMatchObject({ code: "record_damaged" });
    }
    await store.write([{ type: "put", key: keyOf(1), value: new Uint8Array(3) }], { sync: true });
    await expect(database.store.get(keyOf(1))).rejects.toMatchObject({ code: "record_damaged" });
  });
});

describe("migration", () => {
  const plan: SchemaPlan = {
    version: 3,
    migrations: [
      { to: 3, run: async (reader) => [put(keyOf(3), ...(await reader.get(keyOf(2)))!)] },
      {
        to: 2,
        run: async (reader) => [
          put(keyOf(2), ...(await reader.get(keyOf(1)))!, 2),
          { type: "del", key: keyOf(1) },
        ],
      },
    ],
  };

  async function old(): Promise<{ disk: MemoryStore; mark: MemoryMark }> {
    const disk = new MemoryStore();
    const mark = new MemoryMark(newMarkState(1));
    const first: SchemaPlan = { version: 1, migrations: [] };
    const database = await openDatabaseOn({ store: disk, mark, name: "memory", schema: first });
    await database.committer.commit([put(keyOf(1), 1)], { sync: true });
    return { disk, mark };
  }

  it("goes step by step, each with what the one before it left", async () => {
    const { disk, mark } = await old();
    const database = await openDatabaseOn({ store: disk, mark, name: "memory", schema: plan });
    expect(await database.store.getMany([keyOf(1), keyOf(2), keyOf(3)])).toEqual([
      undefined,
      Uint8Array.of(1, 2),
      Uint8Array.of(1, 2),
    ]);
    expect(mark.state.schema).toBe(3);
    expect(database.integrity.lost).toBe(false);
    await expect(openDatabaseOn({ store: disk, mark, name: "memory" })).rejects.toMatchObject({
      code: "database_newer",
    });
  });

  it("takes a database of the first version over, with its channels and updates", async () => {
    const { disk, mark } = await old();
    const database = await openDatabaseOn({ store: disk, mark, name: "memory" });
    expect(await database.store.get(keyOf(1))).toEqual(Uint8Array.of(1));
    expect(mark.state.schema).toBe(SCHEMA.version);
  });

  it("cut off between two steps is taken up where it stopped", async () => {
    const { disk, mark } = await old();
    const store = new PowerLossStore(disk, { seed: 1 });
    const failing: SchemaPlan = {
      version: 3,
      migrations: [plan.migrations[1]!, { to: 3, run: () => store.crash().then(() => []) }],
    };
    await expect(openDatabaseOn({ store, mark, name: "memory", schema: failing })).rejects.toThrow("power");
    expect(mark.state.schema).toBe(3);
    const database = await openDatabaseOn({ store: disk, mark, name: "memory", schema: plan });
    expect(await database.store.getMany([keyOf(1), keyOf(2), keyOf(3)])).toEqual([
      undefined,
      Uint8Array.of(1, 2),
      Uint8Array.of(1, 2),
    ]);
    expect(database.integrity.lost).toBe(false);
  });
});

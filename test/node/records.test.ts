import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Records } from "../../src/node/records.ts";
import { type Database, openDatabaseOn } from "../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";

let database: Database;
let records: Records;

beforeEach(async () => {
  const mark = new MemoryMark(newMarkState(2));
  database = await openDatabaseOn({ store: new MemoryStore(), mark, name: "memory" });
  records = new Records(database.store, database.committer);
});
afterEach(() => database.close());

async function keys(options: Parameters<Records["list"]>[1]): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of records.list("things", options)) found.push(key);
  return found;
}

describe("records", () => {
  it("come back as they were stored, until they are deleted", async () => {
    const value = { name: "Ünïcode", list: [1, "2"], nested: { none: null } };
    await records.put("things", "a/ключ", value, { sync: true });
    expect(await records.get("things", "a/ключ")).toEqual(value);
    expect(await records.get("other", "a/ключ")).toBeUndefined();
    await records.delete("things", "a/ключ", { sync: true });
    expect(await records.get("things", "a/ключ")).toBeUndefined();
  });

  it("are listed in order, within bounds and from a cursor, both ways", async () => {
    for (const key of ["b", "a", "c", "cc", "d"]) await records.put("things", key, key, { sync: false });
    await records.put("thing", "z", 1, { sync: false });
    await records.put("thingsx", "a", 1, { sync: true });
    expect(await keys({})).toEqual(["a", "b", "c", "cc", "d"]);
    expect(await keys({ reverse: true })).toEqual(["d", "cc", "c", "b", "a"]);
    expect(await keys({ after: "c" })).toEqual(["cc", "d"]);
    expect(await keys({ after: "c", reverse: true })).toEqual(["b", "a"]);
    expect(await keys({ prefix: "c" })).toEqual(["c", "cc"]);
    expect(await keys({ from: "b", to: "cc" })).toEqual(["b", "c"]);
    expect(await keys({ limit: 2, reverse: true })).toEqual(["d", "cc"]);
    expect(await keys({ after: "d" })).toEqual([]);
    expect([await records.count("things"), await records.count("nothing")]).toEqual([5, 0]);
  });

  it("join a batch with something else", async () => {
    await records.put("things", "old", 1, { sync: true });
    const ops = [records.putOp("things", "new", 2), records.deleteOp("things", "old")];
    await database.committer.commit(ops, { sync: true });
    expect(await keys({})).toEqual(["new"]);
  });

  it("refuse a namespace that would reach into another, and a key that is too long", async () => {
    await expect(records.get("a\0b", "c")).rejects.toThrow("namespace");
    await expect(records.get("", "c")).rejects.toThrow("namespace");
    await expect(records.get("things", "x".repeat(600))).rejects.toThrow("too long");
  });
});

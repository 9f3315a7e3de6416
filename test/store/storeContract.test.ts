import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { compareKeys } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";
import type { Entry, Op, Store } from "../../src/store/store.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-store-"));
afterAll(() => rmSync(root, { recursive: true }));

let directories = 0;
const kinds: readonly (readonly [string, () => Promise<Store>])[] = [
  ["memory", async () => new MemoryStore()],
  ["LevelDB", () => openLevelStore(join(root, String(directories++)))],
  ["power loss over memory", async () => new PowerLossStore(new MemoryStore(), { seed: 1 })],
  [
    "power loss with write-back",
    async () => new PowerLossStore(new MemoryStore(), { seed: 2, tail: "prefix" }),
  ],
];

// Few and short keys, so that batches meet each other's.
const key = fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 });
const value = fc.uint8Array({ maxLength: 6 });
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ type: fc.constant("put" as const), key, value }),
  fc.record({ type: fc.constant("del" as const), key }),
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      ops: fc.array(op, { minLength: 1, maxLength: 6 }),
      sync: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("range" as const),
      gte: key,
      lt: key,
      reverse: fc.boolean(),
      limit: fc.option(fc.nat(4), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("get" as const), keys: fc.array(key, { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("flush" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The simplest thing that is right: a sorted array of entries. */
class Model {
  entries: Entry[] = [];

  apply(ops: readonly Op[]): void {
    for (const one of ops) {
      this.entries = this.entries.filter(([existing]) => compareKeys(existing, one.key) !== 0);
      if (one.type === "put") this.entries.push([one.key, one.value]);
    }
    this.entries.sort((a, b) => compareKeys(a[0], b[0]));
  }

  get(wanted: Uint8Array): Uint8Array | undefined {
    return this.entries.find(([existing]) => compareKeys(existing, wanted) === 0)?.[1];
  }
}

async function play(store: Store, model: Model, one: Step): Promise<void> {
  if (one.do === "write") {
    await store.write(one.ops, { sync: one.sync });
    model.apply(one.ops);
  } else if (one.do === "flush") {
    await store.flush();
  } else if (one.do === "get") {
    const found = await store.getMany(one.keys);
    expect(found.map(plain)).toEqual(one.keys.map((wanted) => plain(model.get(wanted))));
    for (const wanted of one.keys) {
      expect(plain(store.lookUp(wanted))).toEqual(plain(model.get(wanted)));
      expect(plain(await store.get(wanted))).toEqual(plain(model.get(wanted)));
    }
  } else {
    const { gte, lt, reverse, limit } = one;
    const found: number[][][] = [];
    for await (const [k, v] of store.range({ gte, lt, reverse, ...(limit === undefined ? {} : { limit }) })) {
      found.push([[...k], [...v]]);
    }
    let expected = model.entries.filter(([k]) => compareKeys(k, gte) >= 0 && compareKeys(k, lt) < 0);
    if (reverse) expected = expected.toReversed();
    expect(found).toEqual(expected.slice(0, limit).map(([k, v]) => [[...k], [...v]]));
  }
}

function plain(bytes: Uint8Array | undefined): number[] | undefined {
  return bytes === undefined ? undefined : [...bytes];
}

describe.each(kinds)("a %s store", (name, open) => {
  it("reads like a sorted map that is written in atomic batches", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const store = await open();
        const model = new Model();
        for (const one of steps) await play(store, model, one);
        await store.close();
      }),
      { numRuns: name === "LevelDB" ? 30 : 150 },
    );
  });

  it("keeps the order of writes that nobody waited for", async () => {
    const store = await open();
    const writes = Array.from({ length: 200 }, (_, i) =>
      store.write([{ type: "put", key: Uint8Array.of(1), value: Uint8Array.of(i) }], { sync: i % 7 === 0 }),
    );
    await Promise.all(writes);
    expect(plain(await store.get(Uint8Array.of(1)))).toEqual([199]);
    await store.close();
  });

  it("stops a range when its signal says so", async () => {
    const store = await open();
    const ops: Op[] = Array.from({ length: 10 }, (_, i) => ({
      type: "put",
      key: Uint8Array.of(i),
      value: Uint8Array.of(i),
    }));
    await store.write(ops, { sync: true });
    const range = store.range({
      gte: Uint8Array.of(0),
      lt: Uint8Array.of(9),
      signal: AbortSignal.abort(new Error("enough")),
    });
    await expect(range.next()).rejects.toThrow("enough");
    await store.close();
  });

  it("refuses reads and writes once closed", async () => {
    const store = await open();
    await store.close();
    await expect(store.get(Uint8Array.of(1))).rejects.toMatchObject({ code: "store_closed" });
    await expect(
      store.write([{ type: "del", key: Uint8Array.of(1) }], { sync: false }),
    ).rejects.toMatchObject({ code: "store_closed" });
  });
});

import { describe, expect, it } from "vitest";
import { GroupRead } from "../../src/node/groupRead.ts";

/** A store whose value under a key is the key, except for zero bytes, and which can be made to fail. */
function echoingStore() {
  const reads: number[] = [];
  const store = {
    failing: undefined as Error | undefined,
    reads,
    getMany: async (keys: readonly Uint8Array[]) => {
      reads.push(keys.length);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (store.failing !== undefined) throw store.failing;
      return keys.map((key) => (key[0] === 0 ? undefined : key));
    },
  };
  return store;
}

const keyOf = (value: number) => Uint8Array.of(value);

describe("reads of many callers", () => {
  it("give each caller its own values in its own order", async () => {
    const group = new GroupRead(echoingStore());
    const asked = Array.from({ length: 50 }, (_, i) => [keyOf(i), keyOf(0), keyOf(i + 1)]);
    const answers = await Promise.all(asked.map((keys) => group.getMany(keys)));
    const expected = asked.map((keys) => keys.map((key) => (key[0] === 0 ? undefined : key)));
    expect(answers).toEqual(expected);
  });

  it("share one read per turn, and one more for those who come while it is under way", async () => {
    const store = echoingStore();
    const group = new GroupRead(store);
    const first = Array.from({ length: 20 }, (_, i) => group.getMany([keyOf(i)]));
    await new Promise((resolve) => setImmediate(resolve));
    const late = Array.from({ length: 30 }, (_, i) => group.getMany([keyOf(i)]));
    await Promise.all([...first, ...late]);
    expect(store.reads).toEqual([20, 30]);
  });

  it("answer no keys with no values", async () => {
    expect(await new GroupRead(echoingStore()).getMany([])).toEqual([]);
  });

  it("fail everybody whose keys were in a read that failed, and nobody after", async () => {
    const store = echoingStore();
    const group = new GroupRead(store);
    store.failing = new Error("the disk is gone");
    const failed = await Promise.allSettled([group.getMany([keyOf(1)]), group.getMany([keyOf(2)])]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    store.failing = undefined;
    expect(await group.getMany([keyOf(3)])).toEqual([keyOf(3)]);
  });
});

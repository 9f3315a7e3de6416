import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  channelIdOfKey,
  channelKey,
  compareKeys,
  journalPrefix,
  KEYSPACE,
  keyText,
  paymentKey,
  prefixRange,
  recordKey,
  updateKey,
  updateRange,
} from "../../src/store/keys.ts";
import type { Range } from "../../src/store/store.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const direction = fc.constantFrom(0 as const, 1 as const);
const text = (prefix: string) => new TextEncoder().encode(prefix);
const within = (key: Uint8Array, { gte, lt }: Range) =>
  compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0;
const sign = (n: number | bigint) => (n < 0 ? -1 : n > 0 ? 1 : 0);

describe("keys", () => {
  it("give every keyspace a byte of its own, and sort as those bytes do", () => {
    const spaces = Object.values(KEYSPACE);
    expect(new Set(spaces).size).toBe(spaces.length);
    fc.assert(
      fc.property(bytes(32), uint64, (id, n) => {
        const keys = [
          channelKey(id),
          updateKey(id, 1, n),
          paymentKey(id.slice(16), id),
          text(journalPrefix("chain", n, "0xe")),
          text(journalPrefix("publisher", n, "0xa")),
          recordKey("tokens", "a"),
        ];
        expect(keys.map((key) => key[0])).toEqual([0x10, 0x11, 0x12, 0x20, 0x21, 0x30]);
        expect(keys.toSorted(compareKeys)).toEqual(keys);
      }),
    );
  });

  it("of updates sort by nonce within one direction of one channel, and a range holds exactly its nonces", () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(32),
        direction,
        direction,
        uint64,
        uint64,
        uint64,
        (a, b, da, db, x, from, to) => {
          const key = updateKey(b, db, x);
          expect(channelIdOfKey(key)).toEqual(b);
          expect(sign(compareKeys(updateKey(b, db, from), key))).toBe(sign(from - x));
          const same = compareKeys(a, b) === 0 && da === db;
          expect(within(key, updateRange(a, da, from, to))).toBe(same && x >= from && x < to);
          expect(within(key, updateRange(a, da, from))).toBe(same && x >= from);
          expect(within(key, updateRange(b, db, from))).toBe(x >= from);
        },
      ),
    );
  });

  it("begin with a prefix if and only if they lie in its range", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3 }),
        fc.uint8Array({ maxLength: 5 }),
        (prefix, key) => {
          fc.pre(prefix.some((byte) => byte !== 0xff));
          expect(within(key, prefixRange(prefix))).toBe(keyText(key).startsWith(keyText(prefix)));
        },
      ),
    );
    expect(() => prefixRange(Uint8Array.of(0xff, 0xff))).toThrow(RangeError);
  });

  it("refuse parts of the wrong size", () => {
    expect(() => channelKey(new Uint8Array(31))).toThrow("channel id has 31 bytes");
    expect(() => updateKey(new Uint8Array(32), 0, 2n ** 64n)).toThrow("64 bits");
    expect(() => updateKey(new Uint8Array(32), 0, -1n)).toThrow("64 bits");
    expect(() => paymentKey(new Uint8Array(32), new Uint8Array(32))).toThrow("payment id");
  });
});

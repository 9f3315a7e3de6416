import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressFromBytes,
  addressToBytes,
  channelIdFromBytes,
  channelIdToBytes,
  checkEntries,
  compareBytes,
  ENTRY_ADD_LOCK,
  ENTRY_REMOVE_LOCK,
  ENTRY_UNLOCK,
  equalBytes,
  FLAG_REFUND,
  fromHex,
  fromMinimalBytes,
  MAX_ENTRIES_BYTES,
  packTransfers,
  parseAddress,
  putUint128,
  putUint256,
  readTransfers,
  readUint128,
  TRANSFER_BYTES,
  type Transfer,
  toHex,
  toMinimalBytes,
  viewOf,
} from "../../src/protocol/index.ts";
import { CHANNEL_ID, codeOf, describeRefusal, nextPaymentId, payments } from "./support/channel.ts";

const MAX_UINT128 = (1n << 128n) - 1n;

const transfer: fc.Arbitrary<Transfer> = fc
  .record({
    paymentId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    amount: fc.bigInt({ min: 1n, max: 1n << 120n }),
    reference: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined }),
    applicationId: fc.boolean(),
    refund: fc.boolean(),
  })
  .map((record) => ({ ...record, refund: record.refund && record.reference !== undefined }));

describe("packed entries", () => {
  it("come back as they were packed, with their count and sum", () => {
    fc.assert(
      fc.property(fc.array(transfer, { minLength: 1, maxLength: 40 }), (transfers) => {
        const packed = packTransfers(transfers);
        const effect = checkEntries(packed);
        if (!effect.ok) throw new Error(describeRefusal(effect));
        expect(effect.count).toBe(transfers.length);
        expect(effect.transferred).toBe(transfers.reduce((sum, { amount }) => sum + amount, 0n));
        expect([...readTransfers(packed)]).toEqual(transfers);
      }),
    );
  });

  it("are refused, never thrown at, when any byte is changed or cut", () => {
    fc.assert(
      fc.property(
        fc.array(transfer, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        (transfers, at, byte, cut) => {
          const packed = packTransfers(transfers).slice();
          packed[at % packed.length] = byte;
          const effect = checkEntries(packed.subarray(0, packed.length - (cut % packed.length)));
          if (!effect.ok) expect(["entries_malformed", "lock_limit_exceeded"]).toContain(effect.code);
        },
      ),
    );
  });

  it("are refused with the place and the reason", () => {
    const one = payments(5n);
    const reasonOf = (entries: Uint8Array) => {
      const effect = checkEntries(entries);
      if (effect.ok || effect.code !== "entries_malformed") throw new Error("expected entries_malformed");
      return effect.fields.reason;
    };
    const changed = (at: number, byte: number) => {
      const copy = one.slice();
      copy[at] = byte;
      return copy;
    };
    expect(reasonOf(new Uint8Array(0))).toBe("empty");
    expect(reasonOf(new Uint8Array(MAX_ENTRIES_BYTES + 1))).toBe("too large");
    expect(reasonOf(one.subarray(0, TRANSFER_BYTES - 1))).toBe("truncated");
    expect(reasonOf(changed(1, 1))).toBe("truncated");
    expect(reasonOf(changed(1, 8))).toBe("unknown flags");
    expect(reasonOf(changed(1, FLAG_REFUND))).toBe("refund of nothing");
    expect(reasonOf(changed(0, 9))).toBe("unknown entry");
    expect(reasonOf(changed(0, 0))).toBe("unknown entry");
    expect(reasonOf(payments(1n, 0n))).toBe("zero amount");
    expect(reasonOf(payments(MAX_UINT128, 1n))).toBe("sum overflows");
  });

  it("may fill the bound exactly and no more", () => {
    const most = Math.floor(MAX_ENTRIES_BYTES / TRANSFER_BYTES);
    const full = payments(...Array.from({ length: most }, () => 1n));
    expect(checkEntries(full)).toMatchObject({ ok: true, count: most });
    const over = payments(...Array.from({ length: most + 1 }, () => 1n));
    expect(codeOf(checkEntries(over))).toBe("entries_malformed");
  });

  it("may sum to one below the limit of totals", () => {
    expect(checkEntries(payments(MAX_UINT128))).toMatchObject({ ok: true, transferred: MAX_UINT128 });
    expect(checkEntries(payments(MAX_UINT128 - 1n, 1n))).toMatchObject({
      ok: true,
      transferred: MAX_UINT128,
    });
  });

  it("carry no locks yet, wherever a lock stands among them", () => {
    for (const kind of [ENTRY_ADD_LOCK, ENTRY_UNLOCK, ENTRY_REMOVE_LOCK]) {
      expect(codeOf(checkEntries(Uint8Array.of(kind)))).toBe("lock_limit_exceeded");
      expect(codeOf(checkEntries(Uint8Array.of(...payments(1n), kind)))).toBe("lock_limit_exceeded");
    }
  });

  it("never carry an amount that was cut to fit", () => {
    const tooLarge = { paymentId: nextPaymentId(), amount: 1n << 128n, applicationId: false, refund: false };
    expect(() => packTransfers([tooLarge])).toThrow(RangeError);
    expect(() => packTransfers([{ ...tooLarge, amount: -1n }])).toThrow(RangeError);
  });
});

describe("integers and bytes", () => {
  it("pack big-endian and come back", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_UINT128 }), fc.nat(8), (value, offset) => {
        const bytes = new Uint8Array(40);
        putUint128(viewOf(bytes), offset, value);
        expect(readUint128(viewOf(bytes), offset)).toBe(value);
        expect(BigInt(toHex(bytes.subarray(offset, offset + 16)))).toBe(value);
      }),
    );
  });

  it("are never cut to fit", () => {
    const view = viewOf(new Uint8Array(32));
    for (const value of [-1n, 1n << 128n]) expect(() => putUint128(view, 0, value)).toThrow(RangeError);
    for (const value of [-1n, 1n << 256n]) expect(() => putUint256(view, 0, value)).toThrow(RangeError);
    putUint256(view, 0, (1n << 256n) - 1n);
    expect(readUint128(view, 0)).toBe(MAX_UINT128);
    expect(readUint128(view, 16)).toBe(MAX_UINT128);
  });

  it("have one encoding on the wire", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (value) => {
        const bytes = toMinimalBytes(value);
        expect(bytes[0]).not.toBe(0);
        expect(fromMinimalBytes(bytes)).toBe(value);
      }),
    );
    expect(toMinimalBytes(0n)).toHaveLength(0);
    expect(() => toMinimalBytes(-1n)).toThrow(RangeError);
    expect(fromMinimalBytes(Uint8Array.of(0))).toBeUndefined();
    expect(fromMinimalBytes(Uint8Array.of(0, 1))).toBeUndefined();
    expect(fromMinimalBytes(new Uint8Array(32).fill(255))).toBe((1n << 256n) - 1n);
    expect(fromMinimalBytes(new Uint8Array(33).fill(255))).toBeUndefined();
  });

  it("compare and convert only when they are what they seem", () => {
    expect(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(2), Uint8Array.of(1, 9))).toBeGreaterThan(0);
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(7), Uint8Array.of(7))).toBe(0);
    expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    for (const text of ["", "00", "0x0", "0xzz", "0x 0"]) expect(() => fromHex(text)).toThrow(RangeError);
    expect(parseAddress(`0x${"AB".repeat(20)}`)).toBe(`0x${"ab".repeat(20)}`);
    for (const text of ["", "0x", `0x${"ab".repeat(19)}`, `0x${"ab".repeat(21)}`, "ab".repeat(20)]) {
      expect(parseAddress(text)).toBeUndefined();
    }
    const address = addressFromBytes(new Uint8Array(20).fill(9));
    expect(addressToBytes(address)).toEqual(new Uint8Array(20).fill(9));
    expect(() => addressFromBytes(new Uint8Array(32))).toThrow(RangeError);
    expect(channelIdFromBytes(channelIdToBytes(CHANNEL_ID))).toBe(CHANNEL_ID);
    expect(() => channelIdFromBytes(new Uint8Array(20))).toThrow(RangeError);
  });
});

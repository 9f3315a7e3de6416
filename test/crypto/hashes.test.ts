import { createHash } from "node:crypto";
import { keccak256 as ethersKeccak256 } from "ethers/crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createCrypto } from "../../src/crypto/index.ts";
import { createWasmKeccak256, jsKeccak256 } from "../../src/crypto/keccak.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Keccak256, Sha256 } from "../../src/protocol/ports.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

describe.each(["wasm", "js"])("%s keccak-256", (name) => {
  let keccak256: Keccak256;
  beforeAll(async () => {
    keccak256 = name === "wasm" ? await createWasmKeccak256() : jsKeccak256;
  });

  it("equals ethers at every length around the block size and beyond the WebAssembly buffer", () => {
    const bytes = crypto.getRandomValues(new Uint8Array(40_000));
    const lengths = [...Array(300).keys(), 407, 408, 409, 16_383, 16_384, 16_385, 32_769, 40_000];
    for (const length of lengths) {
      const data = bytes.subarray(3, 3 + length);
      expect(toHex(keccak256(data))).toBe(ethersKeccak256(data));
    }
  });

  it("equals ethers on random data, and the order of calls does not matter", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 5 }), (list) => {
        const hashes = list.map((data) => keccak256(data));
        expect(hashes.map(toHex)).toEqual(list.map((data) => ethersKeccak256(data)));
      }),
    );
  });

  it("gives a fresh array of exactly 32 bytes", () => {
    const first = keccak256(Uint8Array.of(1));
    const copy = first.slice();
    keccak256(Uint8Array.of(2));
    expect(first).toEqual(copy);
    expect(first.byteLength).toBe(32);
    expect(first.buffer.byteLength).toBe(32);
  });

  it("is right again after a call that threw", () => {
    expect(() => keccak256(undefined as unknown as Uint8Array)).toThrow();
    expect(toHex(keccak256(Uint8Array.of(9)))).toBe(ethersKeccak256(Uint8Array.of(9)));
  });
});

describe("sha-256", () => {
  it("equals Node's on random data", async () => {
    const sha256: Sha256 = (await createCrypto()).sha256;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        expect(toHex(sha256(data)).slice(2)).toBe(createHash("sha256").update(data).digest("hex"));
      }),
    );
  });
});

import { createHash } from "node:crypto";
import { SigningKey } from "ethers/crypto";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { jsEcdsa } from "../../src/crypto/jsEcdsa.ts";
import { loadNativeEcdsa } from "../../src/crypto/native.node.ts";
import { fromHex, toHex } from "../../src/protocol/bytes.ts";
import {
  BASE_X,
  ethersRecover,
  ethersSign,
  FIELD,
  HIGHEST_LOW_S,
  ORDER,
  signatureOf,
  wordOf,
} from "./oracle.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const nativeEcdsa = loadNativeEcdsa();
const implementations = [nativeEcdsa, jsEcdsa];

const privateKeys = fc.bigInt(1n, ORDER - 1n).map(wordOf);
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** RFC 6979 over SHA-256 on secp256k1: key, message, r ‖ s; published with several Bitcoin libraries. */
const VECTORS: [bigint, string, string][] = [
  [
    1n,
    "Satoshi Nakamoto",
    "0x934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
  ],
  [
    1n,
    "All those moments will be lost in time, like tears in rain. Time to die...",
    "0x8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
  ],
  [
    ORDER - 1n,
    "Satoshi Nakamoto",
    "0xfd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d06b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
  ],
  [
    0xf8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181n,
    "Alan Turing",
    "0x7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
  ],
];

describe.each(implementations)("$name secp256k1", (ecdsa) => {
  it.each(VECTORS)("signs the published vector of key %s, %s", (key, message, expected) => {
    const digest = new Uint8Array(createHash("sha256").update(message).digest());
    const signature = ecdsa.sign(digest, wordOf(key));
    expect(toHex(signature.subarray(0, 64))).toBe(expected);
    expect(ecdsa.recover(digest, signature)).toEqual(ecdsa.publicKey(wordOf(key)));
  });

  it("signs the same bytes as ethers, low s, v 27 or 28, and recovers the signer", () => {
    fc.assert(
      fc.property(privateKeys, digests, (privateKey, digest) => {
        const signature = ecdsa.sign(digest, privateKey);
        expect(toHex(signature)).toBe(toHex(ethersSign(digest, privateKey)));
        expect(BigInt(toHex(signature.subarray(32, 64)))).toBeLessThanOrEqual(HIGHEST_LOW_S);
        expect([27, 28]).toContain(signature[64]);
        const publicKey = fromHex(new SigningKey(privateKey).publicKey).subarray(1);
        expect(ecdsa.publicKey(privateKey)).toEqual(publicKey);
        expect(ecdsa.recover(digest, signature)).toEqual(publicKey);
      }),
      { numRuns: 100 },
    );
  });

  it.each([0n, 1n, ORDER - 1n])("signs the extreme digest %s like ethers and recovers it", (value) => {
    const digest = wordOf(value);
    const privateKey = wordOf(0x1234n);
    const signature = ecdsa.sign(digest, privateKey);
    expect(toHex(signature)).toBe(toHex(ethersSign(digest, privateKey)));
    expect(ecdsa.recover(digest, signature)).toEqual(ecdsa.publicKey(privateKey));
  });

  // libsecp256k1 derives the nonce from such a digest as it is, RFC 6979 from its remainder: other bytes, as valid.
  // No hash will ever give one (1 in 2^128).
  it.each([ORDER, ORDER + 1n, 2n ** 256n - 1n])("signs the digest %s beyond the order validly", (value) => {
    const digest = wordOf(value);
    const privateKey = wordOf(0x1234n);
    const signature = ecdsa.sign(digest, privateKey);
    expect(signature).toEqual(ecdsa.sign(digest, privateKey));
    expect(ethersRecover(digest, signature)).toEqual(ecdsa.publicKey(privateKey));
    expect(ecdsa.recover(digest, signature)).toEqual(ecdsa.publicKey(privateKey));
  });

  it("refuses the malleable twin of a good signature (EIP-2)", () => {
    fc.assert(
      fc.property(privateKeys, digests, (privateKey, digest) => {
        const signature = ecdsa.sign(digest, privateKey);
        const s = BigInt(toHex(signature.subarray(32, 64)));
        const r = BigInt(toHex(signature.subarray(0, 32)));
        const twin = signatureOf(r, ORDER - s, 55 - signature[64]!);
        expect(ecdsa.recover(digest, twin)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  it("refuses every v but 27 and 28", () => {
    const digest = wordOf(7n);
    const signature = ecdsa.sign(digest, wordOf(5n));
    for (let v = 0; v < 256; v++) {
      if (v === 27 || v === 28) continue;
      signature[64] = v;
      expect(ecdsa.recover(digest, signature)).toBeUndefined();
    }
  });

  it("refuses every length but 65, the compact form of EIP-2098 included", () => {
    const digest = wordOf(7n);
    const signature = ecdsa.sign(digest, wordOf(5n));
    const compact = signature.slice(0, 64);
    if (signature[64] === 28) compact[32]! |= 0x80;
    expect(ecdsa.recover(digest, compact)).toBeUndefined();
    for (const length of [0, 1, 32, 64, 66, 130]) {
      const other = new Uint8Array(length);
      other.set(signature.subarray(0, length));
      expect(ecdsa.recover(digest, other)).toBeUndefined();
    }
  });

  it("refuses a digest that is not 32 bytes: recovering gives nothing, signing throws", () => {
    const signature = ecdsa.sign(wordOf(7n), wordOf(5n));
    for (const length of [0, 31, 33, 64]) {
      expect(ecdsa.recover(new Uint8Array(length), signature)).toBeUndefined();
      expect(() => ecdsa.sign(new Uint8Array(length), wordOf(5n))).toThrow();
    }
  });

  it("throws on private keys that are none", () => {
    for (const key of [
      wordOf(0n),
      wordOf(ORDER),
      wordOf(2n ** 256n - 1n),
      new Uint8Array(31),
      new Uint8Array(33),
    ]) {
      expect(() => ecdsa.sign(wordOf(7n), key)).toThrow();
      expect(() => ecdsa.publicKey(key)).toThrow();
    }
  });

  it("recovers nothing where the public key would be the point at infinity", () => {
    // R is the base point and s equals the digest: s·R − digest·G is infinity.
    for (const s of [1n, 2n, HIGHEST_LOW_S]) {
      expect(ecdsa.recover(wordOf(s), signatureOf(BASE_X, s, 27))).toBeUndefined();
      expect(ecdsa.recover(wordOf(ORDER - s), signatureOf(BASE_X, s, 28))).toBeUndefined();
    }
  });

  it("reads views into larger buffers and leaves its inputs alone", () => {
    const bytes = crypto.getRandomValues(new Uint8Array(200));
    bytes.set(wordOf(5n), 7);
    const before = bytes.slice();
    const signature = ecdsa.sign(bytes.subarray(50, 82), bytes.subarray(7, 39));
    expect(bytes).toEqual(before);
    bytes.set(signature, 101);
    const framed = bytes.slice();
    expect(ecdsa.recover(bytes.subarray(50, 82), bytes.subarray(101, 166))).toEqual(
      ecdsa.publicKey(wordOf(5n)),
    );
    expect(bytes).toEqual(framed);
  });

  it("gives results of their own, which later calls do not change", () => {
    const first = ecdsa.sign(wordOf(1n), wordOf(5n));
    const key = ecdsa.recover(wordOf(1n), first)!;
    const copies = [first.slice(), key.slice()];
    ecdsa.recover(wordOf(2n), ecdsa.sign(wordOf(2n), wordOf(6n)));
    expect([first, key]).toEqual(copies);
  });
});

describe("native, plain and ethers' secp256k1", () => {
  const agree = (digest: Uint8Array, signature: Uint8Array) => {
    const expected = ethersRecover(digest, signature);
    for (const ecdsa of implementations) expect(ecdsa.recover(digest, signature)).toEqual(expected);
    return expected !== undefined;
  };

  it("agree on random bytes, whatever their length", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 40 }), digests),
        fc.oneof(fc.uint8Array({ maxLength: 140 }), fc.uint8Array({ minLength: 65, maxLength: 65 })),
        (digest, signature) => void agree(digest, signature),
      ),
      { numRuns: 1000 },
    );
  });

  it("agree on random numbers in a valid form, of which about half are on the curve", () => {
    let recovered = 0;
    const runs = 150;
    fc.assert(
      fc.property(
        digests,
        fc.bigInt(1n, ORDER - 1n),
        fc.bigInt(1n, HIGHEST_LOW_S),
        fc.constantFrom(27, 28),
        (digest, r, s, v) => {
          if (agree(digest, signatureOf(r, s, v))) recovered++;
        },
      ),
      { numRuns: runs },
    );
    expect(recovered).toBeGreaterThan(runs / 5);
    expect(recovered).toBeLessThan(runs);
  });

  it("agree on good signatures with any one byte changed, and never recover the signer from them", () => {
    fc.assert(
      fc.property(
        privateKeys,
        digests,
        fc.nat(64),
        fc.integer({ min: 1, max: 255 }),
        (privateKey, digest, at, flip) => {
          const signature = nativeEcdsa.sign(digest, privateKey);
          signature[at]! ^= flip;
          agree(digest, signature);
          expect(nativeEcdsa.recover(digest, signature)).not.toEqual(nativeEcdsa.publicKey(privateKey));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("agree at every edge of r, s, v and the digest", () => {
    const rs = [
      0n,
      1n,
      2n,
      3n,
      5n,
      BASE_X,
      ORDER - 1n,
      ORDER,
      ORDER + 1n,
      FIELD - 1n,
      FIELD,
      2n ** 256n - 1n,
    ];
    const ss = [0n, 1n, 2n, HIGHEST_LOW_S, HIGHEST_LOW_S + 1n, ORDER - 1n, ORDER, 2n ** 256n - 1n];
    const accepted = new Set<string>();
    for (const digest of [0n, 1n, ORDER - 1n, ORDER, 2n ** 256n - 1n])
      for (const r of rs)
        for (const s of ss)
          for (const v of [26, 27, 28, 29])
            if (agree(wordOf(digest), signatureOf(r, s, v))) accepted.add(`${r} ${s}`);
    expect(accepted.size).toBeGreaterThan(5);
  });
});

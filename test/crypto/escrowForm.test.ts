import fc from "fast-check";
import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { jsEcdsa } from "../../src/crypto/jsEcdsa.ts";
import { jsKeccak256 } from "../../src/crypto/keccak.ts";
import { loadNativeEcdsa } from "../../src/crypto/native.node.ts";
import { hasEscrowForm } from "../../src/crypto/signature.ts";
import { addressOfPublicKey } from "../../src/protocol/address.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { BASE_X, FIELD, HIGHEST_LOW_S, ORDER, signatureOf, wordOf } from "./oracle.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** The `ecrecover` precompile (Yellow Paper, appendix E). */
const ECRECOVER = "0x0000000000000000000000000000000000000001";

describe("hasEscrowForm", () => {
  it("itself holds r and s within their bounds, so that no curve's own checks are relied on", () => {
    const half = HIGHEST_LOW_S;
    for (const [r, s] of [
      [1n, 1n],
      [ORDER - 1n, half],
    ] as const)
      expect(hasEscrowForm(signatureOf(r, s, 27))).toBe(true);
    for (const [r, s] of [
      [0n, 1n],
      [1n, 0n],
      [ORDER, 1n],
      [FIELD, 1n],
      [1n, half + 1n],
      [1n, ORDER],
    ] as const) {
      expect(hasEscrowForm(signatureOf(r, s, 27))).toBe(false);
    }
  });
});

describe("recover against the EVM", () => {
  let call: (digest: Uint8Array, signature: Uint8Array) => Promise<string | undefined>;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const environment = await createHardhatRuntimeEnvironment({});
    const chain = await environment.network.create();
    close = () => chain.close();
    // OpenZeppelin's ECDSA.tryRecover: 65 bytes, s at most the bound, then ecrecover, whose empty answer is failure.
    call = async (digest, signature) => {
      if (signature.length !== 65 || BigInt(toHex(signature.subarray(32, 64))) > HIGHEST_LOW_S)
        return undefined;
      const v = wordOf(BigInt(signature[64]!));
      const data = toHex(Buffer.concat([digest, v, signature.subarray(0, 64)]));
      const answer = await chain.provider.request({
        method: "eth_call",
        params: [{ to: ECRECOVER, data }, "latest"],
      });
      return answer === "0x" ? undefined : `0x${(answer as string).slice(26)}`;
    };
  });
  afterAll(() => close());

  const implementations = [loadNativeEcdsa(), jsEcdsa];
  const agree = async (digest: Uint8Array, signature: Uint8Array) => {
    const expected = await call(digest, signature);
    for (const ecdsa of implementations) {
      const publicKey = ecdsa.recover(digest, signature);
      expect(publicKey && addressOfPublicKey(publicKey, jsKeccak256)).toBe(expected);
    }
    return expected !== undefined;
  };

  it("accepts and refuses the same at every edge, with the same signer", async () => {
    let accepted = 0;
    for (const digest of [0n, 1n, HIGHEST_LOW_S, ORDER, 2n ** 256n - 1n])
      for (const r of [0n, 1n, 5n, BASE_X, ORDER - 1n, ORDER, FIELD - 1n, FIELD, 2n ** 256n - 1n])
        for (const s of [0n, 1n, HIGHEST_LOW_S, HIGHEST_LOW_S + 1n, ORDER - 1n, ORDER])
          for (const v of [0, 1, 26, 27, 28, 29, 255])
            if (await agree(wordOf(digest), signatureOf(r, s, v))) accepted++;
    expect(accepted).toBeGreaterThan(10);
  });

  it("accepts and refuses the same for signatures with up to two bytes changed", async () => {
    const key = fc.bigInt(1n, ORDER - 1n).map(wordOf);
    const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const changes = fc.array(fc.tuple(fc.nat(64), fc.nat(255)), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(key, digests, changes, async (privateKey, digest, bytes) => {
        const signature = implementations[0]!.sign(digest, privateKey);
        for (const [at, byte] of bytes) signature[at] = byte;
        await agree(digest, signature);
      }),
      { numRuns: 150 },
    );
  });
});

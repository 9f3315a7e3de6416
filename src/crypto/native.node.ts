import { createRequire } from "node:module";
import type { Ecdsa } from "../protocol/ports.ts";
import { hasEscrowForm, SIGNATURE_BYTES } from "./signature.ts";

type Addon = typeof import("secp256k1");

/** One object for every call: the RFC 6979 nonce without extra data is the default. */
const SIGN_OPTIONS = {};

/**
 * secp256k1 through libsecp256k1's Node addon.
 *
 * Throws when the addon does not load. The package's main file would go on with slow JavaScript (`elliptic`)
 * without a word, so its addon half is loaded directly and the other half never.
 *
 * Its signatures are byte for byte those of RFC 6979 for digests below the curve's order, that is for every hash:
 * libsecp256k1 does not reduce a larger digest before deriving the nonce. Such a signature is still valid.
 */
export function loadNativeEcdsa(): Ecdsa {
  const addon = createRequire(import.meta.url)("secp256k1/bindings.js") as Addon;
  // Blinds the scalar multiplication of signing against timing and power analysis; costs nothing afterwards.
  addon.contextRandomize(globalThis.crypto.getRandomValues(new Uint8Array(32)));
  return {
    name: "native",
    sign(digest, privateKey) {
      const signature = new Uint8Array(SIGNATURE_BYTES);
      const { recid } = addon.ecdsaSign(digest, privateKey, SIGN_OPTIONS, signature.subarray(0, 64));
      signature[64] = 27 + recid;
      return signature;
    },
    recover(digest, signature) {
      if (!hasEscrowForm(signature)) return undefined;
      try {
        return addon.ecdsaRecover(signature.subarray(0, 64), signature[64]! - 27, digest, false).subarray(1);
      } catch {
        // r is no x-coordinate of the curve, the key would be the point at infinity, or the digest is not 32 bytes.
        return undefined;
      }
    },
    publicKey(privateKey) {
      return addon.publicKeyCreate(privateKey, false).subarray(1);
    },
  };
}

import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Ecdsa } from "../protocol/ports.ts";
import { DIGEST_BYTES, hasEscrowForm, SIGNATURE_BYTES } from "./signature.ts";

/** A digest is signed as it is; the default of hashing it once more would be another signature. */
const SIGN_OPTIONS = { prehash: false, lowS: true, format: "recovered" } as const;

function sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  // noble would take any length here and sign something else than what was meant.
  if (digest.length !== DIGEST_BYTES) throw new RangeError("a digest has 32 bytes");
  const recovered = secp256k1.sign(digest, privateKey, SIGN_OPTIONS);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  signature.set(recovered.subarray(1));
  signature[64] = 27 + recovered[0]!;
  return signature;
}

function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  if (digest.length !== DIGEST_BYTES || !hasEscrowForm(signature)) return undefined;
  try {
    return secp256k1.Signature.fromBytes(signature.subarray(0, 64), "compact")
      .addRecoveryBit(signature[64]! - 27)
      .recoverPublicKey(digest)
      .toBytes(false)
      .subarray(1);
  } catch {
    return undefined; // r is no x-coordinate of the curve, or the key would be the point at infinity
  }
}

function publicKey(privateKey: Uint8Array): Uint8Array {
  return secp256k1.getPublicKey(privateKey, false).subarray(1);
}

/** secp256k1 in plain JavaScript: runs everywhere, ten to twenty times slower than the native one. */
export const jsEcdsa: Ecdsa = { name: "js", sign, recover, publicKey };

import { Signature, SigningKey } from "ethers/crypto";
import { fromHex, toHex } from "../../src/protocol/bytes.ts";

/** The order of secp256k1. */
export const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/** The prime of secp256k1's field: an r between the order and it is a coordinate, but no ecrecover input. */
export const FIELD = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;
/** The x-coordinate of secp256k1's base point. */
export const BASE_X = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
/** OpenZeppelin's bound, written as in its ECDSA.sol. */
export const HIGHEST_LOW_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

export function wordOf(value: bigint): Uint8Array {
  return fromHex(`0x${value.toString(16).padStart(64, "0")}`);
}

export function signatureOf(r: bigint, s: bigint, v: number): Uint8Array {
  const signature = new Uint8Array(65);
  signature.set(wordOf(r));
  signature.set(wordOf(s), 32);
  signature[64] = v;
  return signature;
}

/** What ethers signs: the same 65 bytes as the escrow takes. */
export function ethersSign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return fromHex(new SigningKey(privateKey).sign(digest).serialized);
}

/** What ethers recovers, held to the escrow's form: ethers itself also takes 64 bytes and other values of v. */
export function ethersRecover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  if (digest.length !== 32 || signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28))
    return undefined;
  if (BigInt(toHex(signature.subarray(32, 64))) > HIGHEST_LOW_S) return undefined;
  try {
    return fromHex(SigningKey.recoverPublicKey(digest, Signature.from(toHex(signature)))).subarray(1);
  } catch {
    return undefined;
  }
}

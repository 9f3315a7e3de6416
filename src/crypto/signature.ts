/**
 * The shape check both curves share: what OpenZeppelin's `ECDSA.tryRecover` and the `ecrecover` precompile test
 * before any curve arithmetic. Shared, so that the two implementations can only differ on the curve itself.
 */

/** `r ‖ s ‖ v`. The 64-byte form of EIP-2098 is not accepted on chain and not here. */
export const SIGNATURE_BYTES = 65;
export const DIGEST_BYTES = 32;

/** The order of secp256k1: r must be below it. */
const ORDER = wordOf(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n);
/** Half the order, rounded down, plus one: s must be below it (EIP-2), or every signature would have a twin. */
const LOW_S_BOUND = wordOf(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1n);

function wordOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * (31 - i))) & 0xffn));
}

/** Whether the big-endian word at `offset` is above zero and below `bound`. Decided by the first byte or two of honest input. */
function isWithin(bytes: Uint8Array, offset: number, bound: Uint8Array): boolean {
  let i = 0;
  while (i < 32 && bytes[offset + i] === bound[i]) i++;
  if (i === 32 || bytes[offset + i]! > bound[i]!) return false;
  for (let j = 0; j < 32; j++) if (bytes[offset + j] !== 0) return true;
  return false;
}

/**
 * Whether `signature` has the form the escrow accepts: 65 bytes, 0 < r < n, 0 < s ≤ n/2, v 27 or 28.
 * Says nothing about who signed, nor whether r is on the curve.
 */
export function hasEscrowForm(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const v = signature[64];
  return (v === 27 || v === 28) && isWithin(signature, 0, ORDER) && isWithin(signature, 32, LOW_S_BOUND);
}

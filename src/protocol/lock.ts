import { putUint128, viewOf } from "./bytes.ts";
import type { Keccak256 } from "./ports.ts";

/** An amount payable to whoever shows the preimage of `hash` (SHA-256) before `expiry` (Unix seconds). */
export interface Lock {
  readonly id: bigint;
  readonly amount: bigint;
  readonly expiry: bigint;
  readonly hash: Uint8Array;
}

/** The escrow's bound on the locks of one proof: what one transaction can check and claim. */
export const MAX_LOCKS = 64;

/** `abi.encodePacked(uint64 id, uint128 amount, uint64 expiry, bytes32 hash)` per lock. */
export const PACKED_LOCK_BYTES = 8 + 16 + 8 + 32;

/** The root of an empty list. */
export const EMPTY_LOCKS_ROOT: Uint8Array = new Uint8Array(32);

/** The packed list, ascending by id: what the root commits to and what the escrow unpacks. */
export function packLocks(locks: readonly Lock[]): Uint8Array {
  const packed = new Uint8Array(locks.length * PACKED_LOCK_BYTES);
  const view = viewOf(packed);
  locks.forEach((lock, i) => {
    const at = i * PACKED_LOCK_BYTES;
    view.setBigUint64(at, lock.id);
    putUint128(view, at + 8, lock.amount);
    view.setBigUint64(at + 24, lock.expiry);
    packed.set(lock.hash, at + 32);
  });
  return packed;
}

/** `keccak256` of the packed list; zero when empty. */
export function locksRootOf(locks: readonly Lock[], keccak256: Keccak256): Uint8Array {
  return locks.length === 0 ? EMPTY_LOCKS_ROOT : keccak256(packLocks(locks));
}

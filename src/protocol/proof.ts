import { equalBytes } from "./bytes.ts";
import { EMPTY_LOCKS_ROOT } from "./lock.ts";
import type { Keccak256 } from "./ports.ts";

/** The payer's signed statement of everything it has ever paid and has locked in one direction of a channel. */
export interface BalanceProof {
  /** From 1, without gaps; 0 says that nothing was ever sent. */
  readonly nonce: bigint;
  /** Cumulative amount irrevocably paid. */
  readonly transferred: bigint;
  /** Sum of the pending locks. */
  readonly locked: bigint;
  /** 32 bytes; zero when there is no lock. */
  readonly locksRoot: Uint8Array;
  /** 32 bytes: the hash chain over every update of the direction. */
  readonly history: Uint8Array;
}

/** A balance proof with its payer's signature (65 bytes). */
export interface SignedProof extends BalanceProof {
  readonly signature: Uint8Array;
}

/** Where every direction starts: nonce 0, no signature. */
export const NO_PROOF: SignedProof = {
  nonce: 0n,
  transferred: 0n,
  locked: 0n,
  locksRoot: EMPTY_LOCKS_ROOT,
  history: new Uint8Array(32),
  signature: new Uint8Array(0),
};

/** `history(n) = keccak256(history(n−1) ‖ keccak256(packed entries of update n))`. */
export function extendHistory(history: Uint8Array, entries: Uint8Array, keccak256: Keccak256): Uint8Array {
  const link = new Uint8Array(64);
  link.set(history);
  link.set(keccak256(entries), 32);
  return keccak256(link);
}

/** The first field in which two proofs differ, signature apart. */
export function differingField(a: BalanceProof, b: BalanceProof): keyof BalanceProof | undefined {
  if (a.nonce !== b.nonce) return "nonce";
  if (a.transferred !== b.transferred) return "transferred";
  if (a.locked !== b.locked) return "locked";
  if (!equalBytes(a.locksRoot, b.locksRoot)) return "locksRoot";
  if (!equalBytes(a.history, b.history)) return "history";
  return undefined;
}

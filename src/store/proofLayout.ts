import { NO_PROOF, putUint128, readUint128, type SignedProof } from "../protocol/index.ts";

/** A signed proof at a fixed layout: `nonce(8) ‖ transferred(16) ‖ locked(16) ‖ locksRoot(32) ‖ history(32) ‖ signature(65)`. */
export const PROOF_BYTES = 8 + 16 + 16 + 32 + 32 + 65;

export function writeProof(target: Uint8Array, view: DataView, offset: number, proof: SignedProof): void {
  view.setBigUint64(offset, proof.nonce);
  putUint128(view, offset + 8, proof.transferred);
  putUint128(view, offset + 24, proof.locked);
  target.set(proof.locksRoot, offset + 40);
  target.set(proof.history, offset + 72);
  target.set(proof.signature, offset + 104);
}

/** Inverse of {@link writeProof}; the arrays are copies, so that the record's buffer is not kept alive. */
export function readProof(bytes: Uint8Array, view: DataView, offset: number): SignedProof {
  const nonce = view.getBigUint64(offset);
  if (nonce === 0n) return NO_PROOF;
  return {
    nonce,
    transferred: readUint128(view, offset + 8),
    locked: readUint128(view, offset + 24),
    locksRoot: bytes.slice(offset + 40, offset + 72),
    history: bytes.slice(offset + 72, offset + 104),
    signature: bytes.slice(offset + 104, offset + 169),
  };
}

import { keccak_256 } from "@noble/hashes/sha3.js";
import { createKeccak } from "hash-wasm";
import type { Keccak256 } from "../protocol/ports.ts";

/** Keccak-256 in plain JavaScript: where WebAssembly is missing or a page's policy forbids it. */
export const jsKeccak256: Keccak256 = (data) => keccak_256(data);

/**
 * Keccak-256 in WebAssembly. One hasher serves every call: each is synchronous and starts with `init`, so none can
 * see another's state, not even after one that threw. Rejects where WebAssembly is not to be had.
 */
export async function createWasmKeccak256(): Promise<Keccak256> {
  const hasher = await createKeccak(256);
  return (data) => {
    hasher.init();
    hasher.update(data);
    return hasher.digest("binary");
  };
}

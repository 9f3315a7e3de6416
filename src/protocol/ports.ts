/** Keccak-256 (the pre-standard padding Ethereum uses). Synchronous; the result is a fresh 32-byte array. */
export type Keccak256 = (data: Uint8Array) => Uint8Array;

/** SHA-256, used for lock hashes only. */
export type Sha256 = (data: Uint8Array) => Uint8Array;

/**
 * Recoverable ECDSA over secp256k1 on raw 32-byte digests.
 *
 * Signatures are 65 bytes `r ‖ s ‖ v` with low s (EIP-2) and v 27 or 28: exactly what the escrow accepts.
 */
export interface Ecdsa {
  /** Which implementation this is, for the log and for benchmarks that refuse slow ones. */
  readonly name: "native" | "js";
  /** Deterministic (RFC 6979) signature of `digest` by `privateKey`, both 32 bytes. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array;
  /**
   * The signer's uncompressed public key without its prefix (64 bytes), or undefined for anything the escrow
   * would not accept: wrong length, high s, zero or out-of-range r or s, v other than 27 or 28.
   * Never throws, whatever the bytes.
   */
  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined;
  /** Uncompressed public key without its prefix (64 bytes) of a private key. */
  publicKey(privateKey: Uint8Array): Uint8Array;
}

/** The hashes and the curve the protocol needs; performed by `src/crypto`. */
export interface Crypto {
  readonly keccak256: Keccak256;
  readonly sha256: Sha256;
  readonly ecdsa: Ecdsa;
}

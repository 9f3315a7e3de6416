import { equalBytes, fromHex } from "../protocol/bytes.ts";
import type { Ecdsa, Keccak256 } from "../protocol/ports.ts";

/**
 * Known answers, run once at start. A library that loads but computes something else (a wrong build, a bad update)
 * must be found before it signs for money, not by the chain.
 */
const PRIVATE_KEY = fromHex(`0x${"00".repeat(31)}01`);
/** SHA-256 of "Satoshi Nakamoto". */
const DIGEST = fromHex("0xa0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e");
/** The deterministic signature of it by key 1, a vector of several RFC 6979 test suites, with its recovery id. */
const SIGNATURE = fromHex(
  "0x934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8" +
    "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e51c",
);
/** The curve's base point. */
const PUBLIC_KEY = fromHex(
  "0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
);
/** Keccak-256 of nothing. */
const EMPTY_HASH = fromHex("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

/** Throws unless `ecdsa` gives the known answers. */
export function checkEcdsa(ecdsa: Ecdsa): void {
  const recovered = ecdsa.recover(DIGEST, SIGNATURE);
  const works =
    equalBytes(ecdsa.publicKey(PRIVATE_KEY), PUBLIC_KEY) &&
    equalBytes(ecdsa.sign(DIGEST, PRIVATE_KEY), SIGNATURE) &&
    recovered !== undefined &&
    equalBytes(recovered, PUBLIC_KEY);
  if (!works) throw new Error(`the ${ecdsa.name} secp256k1 fails its known answers`);
}

/** Throws unless `keccak256` gives the known answer. */
export function checkKeccak256(keccak256: Keccak256): void {
  if (!equalBytes(keccak256(new Uint8Array(0)), EMPTY_HASH))
    throw new Error("keccak-256 fails its known answer");
}

import { fromHex, type Hex, toHex } from "./bytes.ts";
import type { Keccak256 } from "./ports.ts";

/** A 20-byte account address as lower-case hex. Compared as a string; never checksummed inside the node. */
export type Address = Hex & { readonly __brand: "Address" };

/** The zero address: the native coin as a token, "the participant itself" as a signer. */
export const ZERO_ADDRESS = `0x${"00".repeat(20)}` as Address;

/** The address `text` names, in any case, or undefined when it is not 20 bytes of hex. */
export function parseAddress(text: string): Address | undefined {
  return /^0x[0-9a-fA-F]{40}$/.test(text) ? (text.toLowerCase() as Address) : undefined;
}

export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== 20) throw new RangeError("an address has 20 bytes");
  return toHex(bytes) as Address;
}

export function addressToBytes(address: Address): Uint8Array {
  return fromHex(address);
}

/** The account of an uncompressed public key without prefix (64 bytes): the last 20 bytes of its keccak (Yellow Paper, appendix F). */
export function addressOfPublicKey(publicKey: Uint8Array, keccak256: Keccak256): Address {
  return addressFromBytes(keccak256(publicKey).subarray(12));
}

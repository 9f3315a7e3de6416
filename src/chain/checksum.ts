import { getAddress } from "ethers/address";
import type { Address } from "../protocol/address.ts";

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/**
 * The address in `text`, or undefined for anything else. Letters in both cases are a checksum (EIP-55) and must be right:
 * then a mistyped digit is noticed. In one case they carry none.
 */
export function parseAddress(text: string): Address | undefined {
  if (!ADDRESS.test(text)) return undefined;
  try {
    return getAddress(text).toLowerCase() as Address;
  } catch {
    return undefined;
  }
}

/** The address with its checksum (EIP-55), for people to compare. */
export function checksummed(address: Address): string {
  return getAddress(address);
}

import { createCrypto } from "../crypto/index.ts";
import { addressOfPublicKey } from "../protocol/index.ts";

/** The address of a private key. */
export async function accountOf(privateKey: Uint8Array): Promise<string> {
  const crypto = await createCrypto();
  return addressOfPublicKey(crypto.ecdsa.publicKey(privateKey), crypto.keccak256);
}

import { accountFromKey } from "../chain/account.ts";
import { createCrypto } from "../crypto/index.ts";

/** The address of a private key. */
export async function accountOf(privateKey: Uint8Array): Promise<string> {
  return accountFromKey(privateKey, await createCrypto()).address;
}

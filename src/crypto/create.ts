import { type ChosenCrypto, type CryptoOptions, chooseCrypto } from "./choose.ts";

/**
 * The hashes and the curve of a node: native where the addon loads, plain JavaScript where it does not. The choice
 * and the reason for a slower one go to the log. Rejects only when an implementation gives wrong answers and
 * there is no other.
 *
 * @example
 * const crypto = await createCrypto({ log });
 * const signature = crypto.ecdsa.sign(digest, privateKey);
 */
export function createCrypto(options: CryptoOptions = {}): Promise<ChosenCrypto> {
  return chooseCrypto(options, async () => (await import("./native.node.ts")).loadNativeEcdsa());
}

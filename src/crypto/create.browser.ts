import { type ChosenCrypto, type CryptoOptions, chooseCrypto } from "./choose.ts";

/** The hashes and the curve in a page or a worker: never the addon, whatever is preferred. Otherwise as in Node. */
export function createCrypto(options: CryptoOptions = {}): Promise<ChosenCrypto> {
  return chooseCrypto(options, undefined);
}

/** The room's exports for pages and workers: everything that needs neither the addon nor a file system. */
export type { Crypto, Ecdsa, Keccak256, Sha256 } from "../protocol/ports.ts";
export type { ChosenCrypto, CryptoLog, CryptoOptions } from "./choose.ts";
export { createCrypto } from "./create.browser.ts";
export { ACCOUNT_PATH, deriveKeys, type NodeKeys, PEER_PATH, SIGNER_PATH } from "./keys.ts";
export { generateMnemonic, MnemonicError, type MnemonicErrorFields, parseMnemonic } from "./mnemonic.ts";

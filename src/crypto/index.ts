export type { Crypto, Ecdsa, Keccak256, Sha256 } from "../protocol/ports.ts";
export type { ChosenCrypto, CryptoLog, CryptoOptions } from "./choose.ts";
export { createCrypto } from "./create.ts";
export { ACCOUNT_PATH, deriveKeys, type NodeKeys, PEER_PATH, SIGNER_PATH } from "./keys.ts";
export { type KeystoreOptions, readKeystore, writeKeystore } from "./keystore.node.ts";
export { KeystoreError, type KeystoreErrorCode } from "./keystoreError.ts";
export type { KeystoreSecret } from "./keystoreV3.node.ts";
export { generateMnemonic, MnemonicError, type MnemonicErrorFields, parseMnemonic } from "./mnemonic.ts";

import { HDNodeWallet } from "ethers/wallet";
import { fromHex } from "../protocol/bytes.ts";
import { mnemonicToSeed } from "./mnemonic.ts";

/** BIP-44's first Ethereum account: what wallets and `cast` derive from the same words. */
export const ACCOUNT_PATH = "m/44'/60'/0'/0/0";

/** Accounts of one mnemonic: BIP-32 has this many hardened children. */
const MAX_ACCOUNT_INDEX = 2 ** 31 - 1;

/**
 * BIP-43 purpose of the keys only Rivulet uses ("RVT" in ASCII). Every step below it is hardened: a leaked hot key
 * together with a leaked extended public key must not lead to the account, as it would on a neighbouring
 * unhardened path.
 */
const PURPOSE = "m/5396052'";
export const SIGNER_PATH = `${PURPOSE}/0'/0'`;
export const PEER_PATH = `${PURPOSE}/1'/0'`;

/** The three secrets of a node, 32 bytes each. */
export interface NodeKeys {
  /** secp256k1 key of the participant: owns deposits, receives payouts, pays gas. */
  readonly account: Uint8Array;
  /** secp256k1 key of the signer: signs balance proofs, is never paid out to. */
  readonly signer: Uint8Array;
  /** Seed of the libp2p Ed25519 key, which becomes the peer id. */
  readonly peerSeed: Uint8Array;
}

/**
 * Derives a node's keys (BIP-32) from its mnemonic. Throws `MnemonicError`. Takes milliseconds: once, at start.
 * `index` takes the last step of all three paths: nodes of one mnemonic with other indices share no key.
 */
export function deriveKeys(mnemonic: string, index = 0): NodeKeys {
  if (!Number.isInteger(index) || index < 0 || index > MAX_ACCOUNT_INDEX) {
    throw new RangeError(`an account index is a whole number from 0 to ${MAX_ACCOUNT_INDEX}, not ${index}`);
  }
  const root = HDNodeWallet.fromSeed(mnemonicToSeed(mnemonic));
  const secretAt = (path: string) =>
    fromHex(root.derivePath(path.replace(/0('?)$/, `${index}$1`)).privateKey);
  return { account: secretAt(ACCOUNT_PATH), signer: secretAt(SIGNER_PATH), peerSeed: secretAt(PEER_PATH) };
}

import { HDNodeWallet } from "ethers/wallet";
import type { Address } from "../protocol/index.ts";

/** The mnemonic of every local development chain. Its keys are public: whatever they hold elsewhere is stolen. */
export const DEV_MNEMONIC = "test test test test test test test test test test test junk";

/** Accounts for applications and their tests: the mnemonic's first ones, as with Hardhat and Anvil. */
export const USER_ACCOUNTS = 10;

/** The first account of a node, behind those of applications, which must not use a node's nonces. */
const FIRST_NODE_ACCOUNT = USER_ACCOUNTS;

/** Names of nodes, in the order in which they start. */
export const NODE_NAMES = [
  "alice",
  "bob",
  "carol",
  "dave",
  "erin",
  "frank",
  "grace",
  "heidi",
  "ivan",
  "judy",
  "kim",
  "leo",
  "mallory",
  "nina",
  "oscar",
  "peggy",
] as const;

/** Nodes of one network: each is a whole node in this process, and there are channels between all of them. */
export const MAX_NODES = NODE_NAMES.length;

/** Deploy one contract each with their first transaction, so that its address never changes. */
export const DEPLOYERS = { escrow: 97, usdc: 98, token: 99 } as const;

export interface DevAccount {
  /** Of the development mnemonic, as wallets count them. */
  readonly index: number;
  readonly address: Address;
  /** 32 bytes, hex. Public, like the mnemonic. */
  readonly privateKey: string;
}

const root = HDNodeWallet.fromPhrase(DEV_MNEMONIC, undefined, "m/44'/60'/0'/0");

/** An account of the development mnemonic. */
export function devAccount(index: number): DevAccount {
  const { address, privateKey } = root.deriveChild(index);
  return { index, address: address.toLowerCase() as Address, privateKey };
}

/** The accounts for applications and their tests. */
export function userAccounts(): DevAccount[] {
  return Array.from({ length: USER_ACCOUNTS }, (_, index) => devAccount(index));
}

/** The account index of the `n`th node, counted from 0. */
export function nodeAccountIndex(n: number): number {
  return FIRST_NODE_ACCOUNT + n;
}

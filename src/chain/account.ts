import { Transaction } from "ethers/transaction";
import { type Address, addressOfPublicKey } from "../protocol/address.ts";
import { fromHex, type Hex, toHex } from "../protocol/bytes.ts";
import type { Crypto } from "../protocol/ports.ts";
import type { Call } from "./eth.ts";
import type { Fees } from "./fees.ts";

/** The account that pays gas. Nothing but its publisher may send from it. */
export interface Account {
  readonly address: Address;
  /** Signs a 32-byte digest: 65 bytes `r ‖ s ‖ v`, low s, v 27 or 28. */
  sign(digest: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** An account held as a 32-byte private key in this process. */
export function accountFromKey(privateKey: Uint8Array, crypto: Crypto): Account {
  const address = addressOfPublicKey(crypto.ecdsa.publicKey(privateKey), crypto.keccak256);
  return { address, sign: (digest) => crypto.ecdsa.sign(digest, privateKey) };
}

export interface UnsignedTransaction extends Call, Fees {
  readonly chainId: bigint;
  readonly nonce: number;
  readonly gasLimit: bigint;
}

/** The signed EIP-1559 transaction and its hash. Throws when the signature is not the account's: a broken key must not burn nonces. */
export async function signTransaction(
  unsigned: UnsignedTransaction,
  account: Account,
): Promise<{ readonly raw: Hex; readonly hash: Hex }> {
  const { chainId, nonce, to, data, value, gasLimit, maxFee, priority } = unsigned;
  const transaction = Transaction.from({
    type: 2,
    chainId,
    nonce,
    to,
    data,
    value,
    gasLimit,
    maxFeePerGas: maxFee,
    maxPriorityFeePerGas: priority,
  });
  transaction.signature = toHex(await account.sign(fromHex(transaction.unsignedHash)));
  if (transaction.from?.toLowerCase() !== account.address) {
    throw new Error("the account's signature does not recover to its address");
  }
  return { raw: transaction.serialized as Hex, hash: transaction.hash as Hex };
}

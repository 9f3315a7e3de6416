import {
  createCipheriv,
  createHash,
  pbkdf2 as pbkdf2Callback,
  randomBytes,
  randomUUID,
  scrypt as scryptCallback,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { addressOfPublicKey } from "../protocol/address.ts";
import { equalBytes } from "../protocol/bytes.ts";
import { jsEcdsa } from "./jsEcdsa.ts";
import { jsKeccak256 } from "./keccak.ts";
import { ACCOUNT_PATH, deriveKeys } from "./keys.ts";
import { KeystoreError } from "./keystoreError.ts";
import { isScryptCost, type Kdf, type ParsedKeystore, parseKeystore } from "./keystoreParse.ts";
import { entropyToMnemonic, mnemonicToEntropy, parseMnemonic } from "./mnemonic.ts";

const scrypt = promisify<string | Buffer, Uint8Array, number, object, Buffer>(scryptCallback);
const pbkdf2 = promisify(pbkdf2Callback);

/** ethers' default, OWASP's recommendation: 128 MiB and a third of a second. geth's 2^18 is read as well. */
export const SCRYPT_N = 2 ** 17;
const SCRYPT_R = 8;
const SCRYPT_P = 1;
const SALT_BYTES = 32;
const IV_BYTES = 16;
/** 16 for the key's cipher, 16 for the MAC (V3); 32 more for the mnemonic's cipher (x-ethers). */
const DERIVED_BYTES = 64;

/** What a keystore holds. */
export interface KeystoreSecret {
  /** The private key of the account, 32 bytes. */
  readonly account: Uint8Array;
  /** The mnemonic it comes from; undefined in a keystore of a lone key, made by another program. */
  readonly mnemonic: string | undefined;
}

/**
 * The text of a Web3 Secret Storage (version 3) keystore. Rejects with `MnemonicError`.
 *
 * The V3 part holds the account key, which is what geth, `cast` and wallets read. The mnemonic is in the `x-ethers`
 * part beside it, under the same password. `x-rivulet` is a checksum over the rest, so that damage is not taken for a
 * wrong password.
 *
 * @param scryptN cost, a power of two that {@link decryptKeystore} will accept; `RangeError` otherwise
 */
export async function encryptKeystore(mnemonic: string, password: string, scryptN: number): Promise<string> {
  if (!isScryptCost(scryptN)) throw new RangeError("scryptN is no power of two from 2 to 2^20");
  const { account } = deriveKeys(mnemonic);
  const salt = randomBytes(SALT_BYTES);
  const kdf: Kdf = { name: "scrypt", salt, n: scryptN, r: SCRYPT_R, p: SCRYPT_P };
  const derived = await deriveSecret(password, kdf);
  const iv = randomBytes(IV_BYTES);
  const ciphertext = applyCipher("aes-128-ctr", derived.subarray(0, 16), iv, account);
  const mnemonicIv = randomBytes(IV_BYTES);
  const mnemonicCiphertext = applyCipher(
    "aes-256-ctr",
    derived.subarray(32, 64),
    mnemonicIv,
    mnemonicToEntropy(mnemonic),
  );
  const keystore = {
    address: addressOf(account).slice(2),
    crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: hexOf(iv) },
      ciphertext: hexOf(ciphertext),
      kdf: "scrypt",
      kdfparams: { dklen: 32, n: scryptN, r: SCRYPT_R, p: SCRYPT_P, salt: hexOf(salt) },
      mac: hexOf(macOf(derived, ciphertext)),
    },
    id: randomUUID(),
    version: 3,
    "x-ethers": {
      client: "rivulet",
      path: ACCOUNT_PATH,
      locale: "en",
      mnemonicCounter: hexOf(mnemonicIv),
      mnemonicCiphertext: hexOf(mnemonicCiphertext),
      version: "0.1",
    },
  };
  return `${JSON.stringify({ ...keystore, "x-rivulet": { version: 1, checksum: checksumOf(keystore) } }, null, 2)}\n`;
}

/**
 * The secret in the text of a V3 keystore, ours or another program's. Rejects with {@link KeystoreError} and nothing
 * else, whatever the text.
 *
 * @param path only for the error's message
 */
export async function decryptKeystore(text: string, password: string, path: string): Promise<KeystoreSecret> {
  const keystore = parseKeystore(text, path, checksumOf);
  const derived = await deriveSecret(password, keystore.kdf).catch((cause: unknown) => {
    // OpenSSL has limits of its own on how the numbers go together.
    throw new KeystoreError("unsupported", path, "its key derivation cannot be done here", cause);
  });
  if (!timingSafeEqual(macOf(derived, keystore.ciphertext), keystore.mac)) {
    const doubt = keystore.checked ? "" : ", or the file is damaged (it carries no checksum of ours)";
    throw new KeystoreError("wrong_password", path, `wrong password${doubt}`);
  }
  const account = applyCipher("aes-128-ctr", derived.subarray(0, 16), keystore.iv, keystore.ciphertext);
  checkAddress(account, keystore.address, path);
  return { account, mnemonic: openMnemonic(keystore, derived, account, path) };
}

function checkAddress(account: Uint8Array, address: string | undefined, path: string): void {
  let actual: string;
  try {
    actual = addressOf(account);
  } catch (cause) {
    throw new KeystoreError("damaged", path, "it holds no valid key", cause);
  }
  if (address !== undefined && address !== actual) {
    throw new KeystoreError("damaged", path, "its key is not that of its address");
  }
}

/**
 * The MAC does not cover the `x-ethers` part, so whoever can write the file could exchange the mnemonic unseen. The
 * account key, which the MAC does cover, must therefore come out of it.
 */
function openMnemonic(
  { mnemonic }: ParsedKeystore,
  derived: Uint8Array,
  account: Uint8Array,
  path: string,
): string | undefined {
  if (mnemonic === undefined) return undefined;
  const entropy = applyCipher("aes-256-ctr", derived.subarray(32, 64), mnemonic.iv, mnemonic.ciphertext);
  const words = parseMnemonic(entropyToMnemonic(entropy));
  if (!equalBytes(deriveKeys(words).account, account)) {
    throw new KeystoreError("damaged", path, "its mnemonic is not the one of its key");
  }
  return words;
}

/** NFKC as in ethers, so that one password typed on two systems is one password. Other programs agree on ASCII. */
function deriveSecret(password: string, kdf: Kdf): Promise<Buffer> {
  const secret = Buffer.from(password.normalize("NFKC"), "utf8");
  if (kdf.name === "pbkdf2") return pbkdf2(secret, kdf.salt, kdf.rounds, 32, "sha256");
  const { n, r, p } = kdf;
  // Node refuses above 32 MiB unless told; parseKeystore has bounded what a file may ask for.
  return scrypt(secret, kdf.salt, DERIVED_BYTES, { N: n, r, p, maxmem: 128 * r * (n + p + 2) });
}

function applyCipher(
  name: "aes-128-ctr" | "aes-256-ctr",
  key: Uint8Array,
  iv: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(name, key, iv); // counter mode: the same both ways
  return new Uint8Array(Buffer.concat([cipher.update(data), cipher.final()]));
}

function macOf(derived: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return jsKeccak256(Buffer.concat([derived.subarray(16, 32), ciphertext]));
}

function addressOf(privateKey: Uint8Array): string {
  return addressOfPublicKey(jsEcdsa.publicKey(privateKey), jsKeccak256);
}

/** Over the values, not the text: reformatting the file does no harm. */
function checksumOf(keystore: object): string {
  return createHash("sha256").update(JSON.stringify(keystore)).digest("hex");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

import { fromHex } from "../protocol/bytes.ts";
import { ACCOUNT_PATH } from "./keys.ts";
import { KeystoreError } from "./keystoreError.ts";

/** A file may ask for this much work and no more, or a planted one would hang the node or eat its memory. */
const SCRYPT_N_MAX = 2 ** 20;
const SCRYPT_P_MAX = 16;
/** Bytes scrypt may take: geth's standard takes 256 MiB. */
const SCRYPT_MEMORY_MAX = 2 ** 30;
/** About twenty seconds; geth and ethers write 262,144. */
const PBKDF2_ROUNDS_MAX = 2 ** 24;
const SALT_BYTES_MAX = 64;

/** Whether `n` is a cost that keystores may have here. */
export function isScryptCost(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 2 && n <= SCRYPT_N_MAX && (n & (n - 1)) === 0;
}

/** How the key that encrypts is made from the password. */
export type Kdf =
  | {
      readonly name: "scrypt";
      readonly salt: Uint8Array;
      readonly n: number;
      readonly r: number;
      readonly p: number;
    }
  | { readonly name: "pbkdf2"; readonly salt: Uint8Array; readonly rounds: number };

/** A V3 keystore of the right shape; nothing in it is proven before its MAC is. */
export interface ParsedKeystore {
  readonly kdf: Kdf;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly mac: Uint8Array;
  /** Lower case with `0x`; not every program writes it. */
  readonly address: string | undefined;
  readonly mnemonic: { readonly iv: Uint8Array; readonly ciphertext: Uint8Array } | undefined;
  /** Whether it carries our checksum (which then was right). */
  readonly checked: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads fields of one file, throwing coded errors that name it. */
class Reader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  fail(code: "damaged" | "unsupported", detail: string): never {
    throw new KeystoreError(code, this.#path, detail);
  }

  fields(value: unknown, name: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      this.fail("damaged", `it has no ${name}`);
    return value as Fields;
  }

  hex(value: unknown, name: string, least: number, most: number): Uint8Array {
    const digits = typeof value === "string" ? value.replace(/^0x/i, "") : undefined;
    const length = (digits?.length ?? 0) / 2;
    if (digits === undefined || !/^(?:[0-9a-fA-F]{2})*$/.test(digits) || length < least || length > most) {
      this.fail(
        "damaged",
        `its ${name} is not ${least === most ? least : `${least} to ${most}`} bytes of hex`,
      );
    }
    return fromHex(`0x${digits}`);
  }

  integer(value: unknown, name: string, most: number): number {
    if (!Number.isSafeInteger(value) || (value as number) < 1)
      this.fail("damaged", `its ${name} is no positive integer`);
    if ((value as number) > most)
      this.fail("unsupported", `its ${name} asks for more work than this node does`);
    return value as number;
  }

  same(value: unknown, expected: string | number, name: string): void {
    if (value !== expected) this.fail("unsupported", `its ${name} is not ${expected}`);
  }
}

/**
 * The parts of a V3 keystore. Throws {@link KeystoreError} `damaged` or `unsupported` and nothing else, before any
 * costly work.
 *
 * @param checksumOf the checksum over all but the `x-rivulet` part
 */
export function parseKeystore(
  text: string,
  path: string,
  checksumOf: (keystore: object) => string,
): ParsedKeystore {
  const reader = new Reader(path);
  const { "x-rivulet": ours, ...keystore } = reader.fields(parseJson(text, reader), "content");
  if (ours !== undefined) {
    const { version, checksum } = reader.fields(ours, "x-rivulet part");
    if (version === 1 && checksum !== checksumOf(keystore))
      reader.fail("damaged", "its checksum does not fit");
    reader.same(version, 1, "x-rivulet version");
  }
  reader.same(keystore.version, 3, "version");
  // ethers and MyEtherWallet write it with a capital letter.
  const crypto = reader.fields(keystore.crypto ?? keystore.Crypto, "crypto part");
  reader.same(crypto.cipher, "aes-128-ctr", "cipher");
  const kdf = parseKdf(crypto, reader);
  return {
    kdf,
    iv: reader.hex(reader.fields(crypto.cipherparams, "cipherparams").iv, "iv", 16, 16),
    ciphertext: reader.hex(crypto.ciphertext, "ciphertext", 32, 32),
    mac: reader.hex(crypto.mac, "mac", 32, 32),
    address: parseAddress(keystore.address, reader),
    mnemonic: parseMnemonicPart(keystore["x-ethers"], kdf, reader),
    checked: ours !== undefined,
  };
}

function parseJson(text: string, reader: Reader): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return reader.fail("damaged", "it is not JSON");
  }
}

function parseKdf(crypto: Fields, reader: Reader): Kdf {
  const params = reader.fields(crypto.kdfparams, "kdfparams");
  reader.same(params.dklen, 32, "dklen");
  const salt = reader.hex(params.salt, "salt", 0, SALT_BYTES_MAX);
  if (crypto.kdf === "pbkdf2") {
    reader.same(params.prf, "hmac-sha256", "prf");
    return { name: "pbkdf2", salt, rounds: reader.integer(params.c, "c", PBKDF2_ROUNDS_MAX) };
  }
  reader.same(crypto.kdf, "scrypt", "kdf");
  const n = reader.integer(params.n, "n", SCRYPT_N_MAX);
  const r = reader.integer(params.r, "r", SCRYPT_MEMORY_MAX / 128 / n);
  const p = reader.integer(params.p, "p", SCRYPT_P_MAX);
  if (!isScryptCost(n)) reader.fail("damaged", "its n is no power of two");
  return { name: "scrypt", salt, n, r, p };
}

function parseAddress(value: unknown, reader: Reader): string | undefined {
  if (value === undefined) return undefined;
  reader.hex(value, "address", 20, 20);
  return `0x${(value as string).replace(/^0x/i, "").toLowerCase()}`;
}

/** The mnemonic as ethers keeps it. Anything that would give other words or another key is refused, not guessed. */
function parseMnemonicPart(value: unknown, kdf: Kdf, reader: Reader): ParsedKeystore["mnemonic"] {
  if (value === undefined) return undefined;
  const part = reader.fields(value, "x-ethers part");
  reader.same(part.version, "0.1", "x-ethers version");
  reader.same(part.locale ?? "en", "en", "mnemonic's language");
  reader.same(part.path ?? ACCOUNT_PATH, ACCOUNT_PATH, "mnemonic's path");
  reader.same(kdf.name, "scrypt", "kdf beside a mnemonic");
  const ciphertext = reader.hex(part.mnemonicCiphertext, "mnemonic", 16, 32);
  if (ciphertext.length !== 16 && ciphertext.length !== 32) {
    reader.fail("unsupported", "its mnemonic has neither 12 nor 24 words");
  }
  return { iv: reader.hex(part.mnemonicCounter, "mnemonic's counter", 16, 16), ciphertext };
}

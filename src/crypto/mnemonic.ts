import * as bip39 from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";

const WORDS: ReadonlySet<string> = new Set(wordlist);

/** Why a mnemonic is refused. The words themselves are secret and never part of an error. */
export interface MnemonicErrorFields {
  /** Neither 12 nor 24 words. */
  word_count: { readonly count: number };
  /** A word, counted from 1, that is not on the English list. */
  unknown_word: { readonly position: number };
  /** All words are known but do not belong together: one is wrong, or their order is. */
  checksum: Record<never, never>;
}

export class MnemonicError<Code extends keyof MnemonicErrorFields = keyof MnemonicErrorFields> extends Error {
  override readonly name = "MnemonicError";
  readonly code: Code;
  readonly fields: MnemonicErrorFields[Code];

  constructor(code: Code, fields: MnemonicErrorFields[Code], message: string) {
    super(message);
    this.code = code;
    this.fields = fields;
  }
}

/** A new BIP-39 mnemonic, English, from the system's randomness. Twelve words already carry the curve's 128 bits. */
export function generateMnemonic(words: 12 | 24 = 12): string {
  return bip39.generateMnemonic(wordlist, words === 12 ? 128 : 256);
}

/**
 * The mnemonic in its one form: lower case, single spaces. Forgives what people and forms add (case, line breaks,
 * spaces around). Throws {@link MnemonicError}.
 */
export function parseMnemonic(text: string): string {
  const words = text.normalize("NFKD").trim().toLowerCase().split(/\s+/);
  const count = words[0] === "" ? 0 : words.length;
  if (count !== 12 && count !== 24) {
    throw new MnemonicError("word_count", { count }, `a mnemonic has 12 or 24 words, this has ${count}`);
  }
  const unknown = words.findIndex((word) => !WORDS.has(word));
  if (unknown !== -1) {
    const position = unknown + 1;
    throw new MnemonicError(
      "unknown_word",
      { position },
      `word ${position} of the mnemonic is not on the list`,
    );
  }
  const mnemonic = words.join(" ");
  if (!bip39.validateMnemonic(mnemonic, wordlist)) {
    throw new MnemonicError(
      "checksum",
      {},
      "the mnemonic's checksum is wrong: a word or the order is not right",
    );
  }
  return mnemonic;
}

/** The 16 or 32 bytes a mnemonic stands for. Throws {@link MnemonicError}. */
export function mnemonicToEntropy(mnemonic: string): Uint8Array {
  return bip39.mnemonicToEntropy(parseMnemonic(mnemonic), wordlist);
}

/** The mnemonic of 16 or 32 bytes. */
export function entropyToMnemonic(entropy: Uint8Array): string {
  return bip39.entropyToMnemonic(entropy, wordlist);
}

/** BIP-39's seed, without a passphrase: 64 bytes. Throws {@link MnemonicError}. */
export function mnemonicToSeed(mnemonic: string): Uint8Array {
  return bip39.mnemonicToSeedSync(parseMnemonic(mnemonic));
}

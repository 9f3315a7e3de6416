import { HDNodeWallet, Mnemonic } from "ethers/wallet";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ACCOUNT_PATH, deriveKeys, PEER_PATH, SIGNER_PATH } from "../../src/crypto/keys.ts";
import {
  entropyToMnemonic,
  generateMnemonic,
  MnemonicError,
  mnemonicToEntropy,
  mnemonicToSeed,
  parseMnemonic,
} from "../../src/crypto/mnemonic.ts";
import { toHex } from "../../src/protocol/bytes.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** The mnemonic of local development chains. */
const JUNK = "test test test test test test test test test test test junk";

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("deriveKeys", () => {
  it("gives the golden keys of the development mnemonic", () => {
    const keys = deriveKeys(JUNK);
    expect({
      account: toHex(keys.account),
      signer: toHex(keys.signer),
      peerSeed: toHex(keys.peerSeed),
    }).toEqual(GOLDEN);
  });

  it("gives each index keys of its own, the account as wallets count them", () => {
    const keys = [0, 1, 7].map((index) => deriveKeys(JUNK, index));
    const accounts = [0, 1, 7].map(
      (index) => HDNodeWallet.fromPhrase(JUNK, undefined, `m/44'/60'/0'/0/${index}`).privateKey,
    );
    expect(keys.map(({ account }) => toHex(account))).toEqual(accounts);
    expect(keys[0]).toEqual(deriveKeys(JUNK));
    expect(new Set(keys.flatMap((each) => Object.values(each).map(toHex))).size).toBe(9);
    for (const index of [-1, 0.5, 2 ** 31, Number.NaN]) {
      expect(() => deriveKeys(JUNK, index)).toThrow(RangeError);
    }
  });

  it("equals ethers on random mnemonics of 12 and 24 words", () => {
    const entropies = fc
      .constantFrom(16, 32)
      .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
    fc.assert(
      fc.property(entropies, (entropy) => {
        const mnemonic = entropyToMnemonic(entropy);
        const keys = deriveKeys(mnemonic);
        const at = (path: string) => HDNodeWallet.fromPhrase(mnemonic, undefined, path).privateKey;
        expect(toHex(keys.account)).toBe(at(ACCOUNT_PATH));
        expect(toHex(keys.signer)).toBe(at(SIGNER_PATH));
        expect(toHex(keys.peerSeed)).toBe(at(PEER_PATH));
        expect(new Set([at(ACCOUNT_PATH), at(SIGNER_PATH), at(PEER_PATH)]).size).toBe(3);
      }),
      { numRuns: 10 },
    );
  });

  it("keeps the hot keys below hardened steps only, so that they lead to no other key", () => {
    for (const path of [SIGNER_PATH, PEER_PATH]) expect(path).toMatch(/^m(\/\d+')+$/);
  });

  it("refuses a mnemonic that is none", () => {
    expect(errorOf(() => deriveKeys("test test"))).toBeInstanceOf(MnemonicError);
  });
});

/** The account is the well-known first account of development chains; the others were derived with ethers. */
const GOLDEN = {
  account: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  signer: "0x69814a728106965359f3bd916fefdc437b524f75a1bd22f3e88628c2c06cf280",
  peerSeed: "0xddc6b139f3a0b77539b654649a9a851b77255d5a2435dc55147cb9c6bb7db643",
};

describe("mnemonics", () => {
  it.each([
    [12, 16],
    [24, 32],
  ] as const)("are generated with %i words, valid, and never twice", (words, bytes) => {
    const made = Array.from({ length: 20 }, () => generateMnemonic(words));
    for (const mnemonic of made) {
      expect(mnemonic.split(" ")).toHaveLength(words);
      expect(Mnemonic.isValidMnemonic(mnemonic)).toBe(true);
      expect(parseMnemonic(mnemonic)).toBe(mnemonic);
      expect(mnemonicToEntropy(mnemonic)).toHaveLength(bytes);
    }
    expect(new Set(made).size).toBe(made.length);
  });

  it("have 12 words by default", () => {
    expect(generateMnemonic().split(" ")).toHaveLength(12);
  });

  it("are read whatever case and white space a form adds", () => {
    expect(parseMnemonic(`\n ${JUNK.toUpperCase().replaceAll(" ", " \t\r\n ")}  `)).toBe(JUNK);
  });

  it("give the same seed as ethers", () => {
    expect(toHex(mnemonicToSeed(JUNK))).toBe(Mnemonic.fromPhrase(JUNK).computeSeed());
  });

  it.each(["", "   ", "test", `${JUNK} junk`, `${JUNK} test test test`])(
    "are refused with another count of words: %j",
    (text) => {
      const count = text.split(" ").filter((word) => word !== "").length;
      expect(errorOf(() => parseMnemonic(text))).toMatchObject({ code: "word_count", fields: { count } });
    },
  );

  it("are refused with an unknown word, named by its place and not by itself", () => {
    const text = JUNK.replace("junk", "rivuletz");
    const error = errorOf(() => parseMnemonic(text));
    expect(error).toMatchObject({ code: "unknown_word", fields: { position: 12 } });
    expect((error as Error).message).not.toContain("rivuletz");
  });

  it("are refused when the checksum does not fit", () => {
    expect(errorOf(() => parseMnemonic(JUNK.replace("junk", "test")))).toMatchObject({ code: "checksum" });
  });

  it("are never let through, nor refused without a code, whatever the text", () => {
    const words = fc.array(fc.constantFrom(...JUNK.split(" "), "abandon", "zoo", "Zoo", "x"), {
      maxLength: 26,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          words.map((list) => list.join(" ")),
        ),
        (text) => {
          const error = errorOf(() => parseMnemonic(text));
          if (error === undefined) expect(Mnemonic.isValidMnemonic(parseMnemonic(text))).toBe(true);
          else expect(error).toBeInstanceOf(MnemonicError);
        },
      ),
      { numRuns: 300 },
    );
  });
});

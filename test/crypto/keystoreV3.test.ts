import { createHash } from "node:crypto";
import { encryptKeystoreJsonSync, type HDNodeWallet, Mnemonic, Wallet } from "ethers/wallet";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ACCOUNT_PATH, deriveKeys, generateMnemonic, KeystoreError } from "../../src/crypto/index.ts";
import { decryptKeystore, encryptKeystore, type KeystoreSecret } from "../../src/crypto/keystoreV3.node.ts";
import { MnemonicError } from "../../src/crypto/mnemonic.ts";
import { fromHex, toHex } from "../../src/protocol/bytes.ts";

// Curves and key derivation are slow in plain JavaScript, and slower on a busy machine: hung is not slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MNEMONIC = "test test test test test test test test test test test junk";
const ACCOUNT = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const PASSWORD = "correct horse";
/** Cheap for tests; what guessing costs is not what they are about. */
const N = 2 ** 6;

const open = (text: string, password = PASSWORD): Promise<KeystoreSecret> =>
  decryptKeystore(text, password, "k.json");
const seal = (): Promise<string> => encryptKeystore(MNEMONIC, PASSWORD, N);

async function refusalOf(text: string, password = PASSWORD): Promise<KeystoreError> {
  const error = await open(text, password).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(KeystoreError);
  return error as KeystoreError;
}

/** A keystore as a loose object, for tests that bend it. */
// biome-ignore lint/suspicious/noExplicitAny: its fields are bent to every type
type Loose = Record<string, any>;

/** `text` bent by someone who can write the file and knows the format, so that the checksum fits again. */
function bend(text: string, change: (keystore: Loose) => void): string {
  const { "x-rivulet": _, ...keystore } = JSON.parse(text) as Loose;
  change(keystore);
  const checksum = createHash("sha256").update(JSON.stringify(keystore)).digest("hex");
  return JSON.stringify({ ...keystore, "x-rivulet": { version: 1, checksum } });
}

describe("an encrypted keystore", () => {
  it.each([12, 24] as const)("gives back the mnemonic of %i words and its account key", async (words) => {
    const mnemonic = generateMnemonic(words);
    const text = await encryptKeystore(mnemonic, PASSWORD, N);
    expect(await open(text)).toEqual({ mnemonic, account: deriveKeys(mnemonic).account });
  });

  it("hides the mnemonic and the key, and shares no secret byte with another one of the same", async () => {
    const [first, second] = await Promise.all([seal(), seal()]);
    expect(first + second).not.toMatch(/junk|ac0974bec39a17e3/i);
    const varying = (text: string) => {
      const { crypto, id, "x-ethers": extra } = JSON.parse(text) as Loose;
      return [
        ...[id, crypto.cipherparams.iv, crypto.kdfparams.salt, crypto.ciphertext, crypto.mac],
        ...[extra.mnemonicCounter, extra.mnemonicCiphertext],
      ];
    };
    expect(new Set([...varying(first), ...varying(second)]).size).toBe(14);
  });

  it("takes one password in either form of Unicode", async () => {
    const text = await encryptKeystore(MNEMONIC, "caf\u00e9 \u{1f511}", N);
    expect((await open(text, "cafe\u0301 \u{1f511}")).mnemonic).toBe(MNEMONIC);
  });

  it("is not made of a mnemonic that is none, or with a cost that could not be read again", async () => {
    await expect(encryptKeystore("test junk", PASSWORD, N)).rejects.toBeInstanceOf(MnemonicError);
    for (const n of [0, 1, 3, 100, -64, 2 ** 21, 2 ** 32, Number.NaN, 64.5]) {
      await expect(encryptKeystore(MNEMONIC, PASSWORD, n)).rejects.toBeInstanceOf(RangeError);
    }
  });

  it("may be reformatted", async () => {
    const text = await seal();
    expect((await open(JSON.stringify(JSON.parse(text)))).mnemonic).toBe(MNEMONIC);
  });
});

describe("keystores of and for other programs", () => {
  it("are read by ethers, mnemonic and all", async () => {
    const mnemonic = generateMnemonic(24);
    const wallet = Wallet.fromEncryptedJsonSync(await encryptKeystore(mnemonic, PASSWORD, N), PASSWORD);
    expect((wallet as HDNodeWallet).mnemonic?.phrase).toBe(mnemonic);
    expect(wallet.privateKey).toBe(toHex(deriveKeys(mnemonic).account));
  });

  it("have the members geth and cast look for, by the names they look for", async () => {
    const keystore = JSON.parse(await seal()) as Loose;
    expect(keystore).toMatchObject({
      address: ADDRESS.slice(2).toLowerCase(),
      crypto: { cipher: "aes-128-ctr", kdf: "scrypt", kdfparams: { dklen: 32, n: N, p: 1, r: 8 } },
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      version: 3,
    });
    const { crypto } = keystore;
    const hex = [crypto.cipherparams.iv, crypto.kdfparams.salt, crypto.ciphertext, crypto.mac];
    expect(hex.map((text: string) => text.match(/^[0-9a-f]*$/)?.[0].length)).toEqual([32, 64, 64, 64]);
  });

  it("are read when ethers made them, with a mnemonic and without", async () => {
    const options = { scrypt: { N } };
    const account = { address: ADDRESS, privateKey: ACCOUNT };
    const { entropy } = Mnemonic.fromPhrase(MNEMONIC);
    const mnemonic = { entropy, path: ACCOUNT_PATH, locale: "en" };
    const full = encryptKeystoreJsonSync({ ...account, mnemonic }, PASSWORD, options);
    expect(await open(full)).toEqual({ account: fromHex(ACCOUNT), mnemonic: MNEMONIC });
    const lone = encryptKeystoreJsonSync(account, PASSWORD, options);
    expect(await open(lone)).toEqual({ account: fromHex(ACCOUNT), mnemonic: undefined });
  });

  it("are refused when ethers kept a mnemonic for another path or language, rather than read as another key", async () => {
    const wallet = Wallet.createRandom();
    const { entropy } = wallet.mnemonic!;
    for (const mnemonic of [
      { entropy, path: "m/44'/60'/1'/0/0", locale: "en" },
      { entropy, path: ACCOUNT_PATH, locale: "es" },
    ]) {
      const account = { address: wallet.address, privateKey: wallet.privateKey, mnemonic };
      const text = encryptKeystoreJsonSync(account, PASSWORD, { scrypt: { N } });
      expect((await refusalOf(text)).code).toBe("unsupported");
    }
  });

  it("are read when cast made them", async () => {
    // `cast wallet import --private-key 0xac09… --unsafe-password hunter2` of version 1.7.1.
    const text =
      '{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"0c8f3847b961536b36a896b64101d425"},"ciphertext":"4db3194446ac773c524b80550e770e43ef11158704ea22b4018907aac8b48605","kdf":"scrypt","kdfparams":{"dklen":32,"n":8192,"p":1,"r":8,"salt":"d03cc5785e30fffe50f2a773610cb0b12e33bb3d2e0681cd709f43207089847e"},"mac":"59a7920af30e72ce052fd1c7282e7a203337bf5841f62fea3cb64ba88dff4fb2"},"id":"13ad1db7-1e9f-466a-a2bf-ee47620f310f","version":3}';
    expect(await open(text, "hunter2")).toEqual({ account: fromHex(ACCOUNT), mnemonic: undefined });
  });

  it("are read as the Web3 Secret Storage definition's PBKDF2 vector wants it", async () => {
    expect(toHex((await open(SPEC_PBKDF2, "testpassword")).account)).toBe(
      "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d",
    );
  });

  it("are refused with a code when the system's scrypt does not take their parameters", async () => {
    // RFC 7914 wants n below 2^16 for r = 1.
    const text = bend(await seal(), ({ crypto }) => Object.assign(crypto.kdfparams, { n: 2 ** 17, r: 1 }));
    expect((await refusalOf(text)).code).toBe("unsupported");
  });
});

const SPEC_PBKDF2 =
  '{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}';

describe("a wrong password", () => {
  it("is told apart from damage in a keystore of ours", async () => {
    const text = await seal();
    for (const password of ["", "Correct horse", `${PASSWORD} `]) {
      const refusal = await refusalOf(text, password);
      expect(refusal.code).toBe("wrong_password");
      expect(refusal.message).not.toContain("damaged");
      expect(refusal.fields.path).toBe("k.json");
    }
  });

  it("is the first guess, with the doubt said, in a keystore without our checksum", async () => {
    const text = SPEC_PBKDF2.replace('"c":262144', '"c":1000');
    const refusal = await refusalOf(text, "testpassword");
    expect(refusal.code).toBe("wrong_password");
    expect(refusal.message).toContain("damaged");
  });
});

describe("a damaged keystore", () => {
  it("with any byte changed is refused as such or gives the same secret, never another and never blames the password", async () => {
    const bytes = Buffer.from(await seal());
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= flip;
        const result = await open(damaged.toString("utf8")).catch((error: unknown) => error);
        if (result instanceof KeystoreError) {
          expect(["damaged", "unsupported"]).toContain(result.code);
          refused++;
        } else expect(result).toEqual({ account: fromHex(ACCOUNT), mnemonic: MNEMONIC });
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  it("cut off anywhere is refused as such", async () => {
    const text = (await seal()).trimEnd();
    for (let length = 0; length < text.length; length += 7) {
      expect((await refusalOf(text.slice(0, length))).code).toBe("damaged");
    }
  });

  it("is refused with a code whatever the text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: "binary" }), fc.json()), async (text) => {
        expect(["damaged", "unsupported"]).toContain((await refusalOf(text)).code);
      }),
      { numRuns: 500 },
    );
  });

  it("is refused with a code, or read the same, whatever any one member is, without our checksum too", async () => {
    const original = JSON.parse(await seal()) as Loose;
    delete original["x-rivulet"];
    const places = memberPaths(original);
    const values = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("", "0x", "00", "zz", "0x0", -1, 0, 0.5, 1e300, 2 ** 32, [], {}, null, true),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), values, async (place, value) => {
        const keystore = structuredClone(original);
        const parent = place.slice(0, -1).reduce<Loose>((at, name) => at[name], keystore);
        parent[place.at(-1)!] = value;
        const result = await open(JSON.stringify(keystore)).catch((error: unknown) => error);
        if (!(result instanceof KeystoreError))
          expect((result as KeystoreSecret).account).toEqual(fromHex(ACCOUNT));
      }),
      { numRuns: 500 },
    );
  });
});

function memberPaths(value: Loose): string[][] {
  return Object.entries(value).flatMap(([name, member]) =>
    typeof member === "object" ? [[name], ...memberPaths(member).map((rest) => [name, ...rest])] : [[name]],
  );
}

describe("a forged keystore, written by someone who does not know the password", () => {
  it("cannot exchange the mnemonic: its account key would be another", async () => {
    const text = await seal();
    for (let byte = 0; byte < 16; byte++) {
      const forged = bend(text, ({ "x-ethers": extra }) => {
        const bytes = fromHex(`0x${extra.mnemonicCiphertext}`);
        bytes[byte]! ^= 1;
        extra.mnemonicCiphertext = toHex(bytes).slice(2);
      });
      expect((await refusalOf(forged)).code).toBe("damaged");
    }
  });

  it("cannot graft another keystore's mnemonic, not even one under the same password", async () => {
    const other = JSON.parse(await encryptKeystore(generateMnemonic(), PASSWORD, N)) as Loose;
    const forged = bend(await seal(), (keystore) => {
      keystore["x-ethers"] = other["x-ethers"];
    });
    expect((await refusalOf(forged)).code).toBe("damaged");
  });

  it("cannot exchange the key or name another address", async () => {
    const text = await seal();
    const otherKey = bend(text, ({ crypto }) => {
      crypto.ciphertext = `${crypto.ciphertext.slice(0, -2)}${crypto.ciphertext.endsWith("00") ? "01" : "00"}`;
    });
    expect((await refusalOf(otherKey)).code).toBe("wrong_password");
    const otherAddress = bend(text, (keystore) => {
      keystore.address = "00".repeat(20);
    });
    expect((await refusalOf(otherAddress)).code).toBe("damaged");
  });

  it("cannot make the node work or allocate without bound", async () => {
    const text = await seal();
    const demands: Loose[] = [
      { n: 2 ** 21 },
      { n: 2 ** 31 },
      { n: 2 ** 20, r: 9 },
      { r: 2 ** 24 },
      { p: 17 },
      { n: 2 ** 52 },
      { salt: "00".repeat(65) },
    ];
    for (const demand of demands) {
      const forged = bend(text, ({ crypto }) => Object.assign(crypto.kdfparams, demand));
      expect(["unsupported", "damaged"]).toContain((await refusalOf(forged)).code);
    }
    expect((await refusalOf(SPEC_PBKDF2.replace("262144", "16777217"))).code).toBe("unsupported");
  });

  it("can leave the mnemonic out, which the reader sees", async () => {
    const forged = bend(await seal(), (keystore) => {
      delete keystore["x-ethers"];
    });
    expect(await open(forged)).toEqual({ account: fromHex(ACCOUNT), mnemonic: undefined });
  });
});

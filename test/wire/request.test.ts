import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCrypto } from "../../src/crypto/create.ts";
import { type Address, Digests, fromHex, toHex } from "../../src/protocol/index.ts";
import { decodeRequest, encodeRequest, type PaymentRequestTerms } from "../../src/wire/request.ts";
import { descriptionProblem } from "../../src/wire/requestFields.ts";
import { MAX_REQUEST_LENGTH, requestUri } from "../../src/wire/requestText.ts";
import { type RequestText, type RequestVectors, requestVectors, textOf } from "./support/requestVectors.ts";

const crypto = await createCrypto();
const vectors: RequestVectors = JSON.parse(
  readFileSync(new URL("../vectors/request.json", import.meta.url), "utf8"),
);
const signerKey = fromHex(vectors.signerKey);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const usual = vectors.valid[0]!;

function termsOf(text: RequestText): PaymentRequestTerms {
  return {
    ...text,
    chainId: BigInt(text.chainId),
    escrow: text.escrow as Address,
    token: text.token as Address,
    amount: text.amount === undefined ? undefined : BigInt(text.amount),
    recipient: text.recipient as Address,
    paymentHash: fromHex(text.paymentHash),
    paymentSecret: fromHex(text.paymentSecret),
  };
}

function codeOf(text: string): string {
  const decoded = decodeRequest(text, crypto);
  return decoded.ok ? "ok" : decoded.code;
}

describe("golden vectors", () => {
  it("are what ethers and a hand that packs after the document make", () => {
    expect(vectors).toEqual(requestVectors());
  });

  it.each(vectors.valid)("$name: made, and read in every form", ({ terms, content, digest, ...text }) => {
    const expected = termsOf(terms);
    const digests = new Digests(expected.chainId, expected.escrow, crypto.keccak256);
    expect(toHex(digests.paymentRequest(fromHex(content)))).toBe(digest);
    expect(encodeRequest(expected, signerKey, crypto)).toBe(text.request);
    expect([requestUri(text.request), text.uri.toUpperCase()]).toEqual([text.uri, text.qr]);
    for (const form of [text.request, text.uri, text.qr, text.request.toUpperCase()]) {
      expect(decodeRequest(form, crypto)).toEqual({ ok: true, terms: expected, request: text.request });
    }
  });

  it.each(vectors.invalid)("$name: $code", ({ request, code }) => {
    expect(codeOf(request)).toBe(code);
  });
});

describe("decodeRequest", () => {
  it("ignores odd fields it does not know, which the signature covers", () => {
    const digests = new Digests(31337n, usual.terms.escrow as Address, crypto.keccak256);
    const extended = Uint8Array.of(...fromHex(usual.content), 99, 0, 2, 1, 2);
    const signature = crypto.ecdsa.sign(digests.paymentRequest(extended), signerKey);
    const decoded = decodeRequest(textOf(Uint8Array.of(...extended, ...signature)), crypto);
    expect(decoded).toMatchObject({ ok: true, terms: termsOf(usual.terms) });
    const unsigned = textOf(Uint8Array.of(...extended, ...fromHex(usual.signature)));
    expect(codeOf(unsigned)).toBe("request_signature_invalid");
  });

  it("takes no text beyond its bound, and no letter that only becomes ASCII in lower case", () => {
    expect(codeOf(`rvt1${"q".repeat(MAX_REQUEST_LENGTH)}`)).toBe("request_malformed");
    expect(codeOf(`rvt1${"q".repeat(100_000)}`)).toBe("request_malformed");
    expect(codeOf(usual.request.toUpperCase().replace("K", "\u212a"))).toBe("request_malformed");
  });

  it(`never throws and never verifies what was changed (seed ${seed})`, () => {
    const data = fromHex(`${usual.content}${usual.signature.slice(2)}`);
    const cut = fc.nat(data.length - 1);
    const mutations = fc.array(fc.tuple(cut, fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    const changed = fc.tuple(mutations, fc.option(cut)).map(([flips, end]) => {
      const bytes = data.slice(0, end ?? data.length);
      for (const [at, bits] of flips) if (at < bytes.length) bytes[at]! ^= bits;
      return bytes;
    });
    fc.assert(
      fc.property(changed, (bytes) => {
        fc.pre(toHex(bytes) !== toHex(data));
        expect(codeOf(textOf(bytes))).toMatch(/^request_/);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it(`never throws, whatever the text (seed ${seed})`, () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string().map((text) => `rvt1${text}`),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => textOf(Uint8Array.of(1, ...bytes))),
      fc
        .tuple(fc.nat(usual.request.length - 1), fc.string({ minLength: 1, maxLength: 2 }))
        .map(([at, text]) => usual.request.slice(0, at) + text + usual.request.slice(at + 1)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        if (text !== usual.request) expect(codeOf(text)).toMatch(/^request_/);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it("reads back whatever is made", () => {
    const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const description = fc
      .string({ unit: "grapheme", maxLength: 100 })
      .filter((text) => descriptionProblem(text) === undefined);
    const address = fc.stringMatching(/^\/[a-z0-9/.]{1,100}$/);
    const terms = fc.record({
      amount: fc.option(fc.bigInt(1n, 2n ** 128n - 1n), { nil: undefined }),
      paymentHash: word,
      paymentSecret: word,
      createdAt: fc.integer({ min: 1, max: 2 ** 40 }),
      lifetime: fc.integer({ min: 1, max: 31_536_000 }),
      description,
      addresses: fc.array(address, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(terms, ({ lifetime, ...some }) => {
        const whole = { ...termsOf(usual.terms), ...some, expiresAt: some.createdAt + lifetime };
        const request = encodeRequest(whole, signerKey, crypto);
        expect(decodeRequest(request, crypto)).toEqual({ ok: true, terms: whole, request });
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("encodeRequest", () => {
  it.each([
    ["an amount of zero", { amount: 0n }],
    ["an amount beyond 128 bits", { amount: 2n ** 128n }],
    ["an expiry before its beginning", { expiresAt: 1 }],
    ["a description with an escape", { description: "\u001b[2J" }],
    ["a description that is too long", { description: "x".repeat(769) }],
    ["an address that is none", { addresses: ["example.org"] }],
    ["too many addresses", { addresses: ["/a", "/b", "/c", "/d", "/e"] }],
    ["more than the string may hold", { addresses: [1, 2, 3, 4].map(() => `/${"a".repeat(254)}`) }],
  ])("refuses %s", (_what, change) => {
    const terms = { ...termsOf(usual.terms), ...change };
    expect(() => encodeRequest(terms, signerKey, crypto)).toThrow(RangeError);
  });
});

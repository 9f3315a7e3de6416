import { bech32, bech32m } from "@scure/base";
import { TypedDataEncoder } from "ethers/hash";
import { concat, getBytes, toBeArray, toUtf8Bytes } from "ethers/utils";
import { Wallet } from "ethers/wallet";

/** Requests packed by hand after docs/requests.md and signed by ethers: nothing here comes from the codec. */
export interface RequestVectors {
  readonly signerKey: string;
  readonly valid: readonly {
    readonly name: string;
    readonly terms: RequestText;
    /** The data without the signature. */
    readonly content: string;
    readonly digest: string;
    readonly signature: string;
    readonly request: string;
    readonly uri: string;
    readonly qr: string;
  }[];
  readonly invalid: readonly { readonly name: string; readonly request: string; readonly code: string }[];
}

export interface RequestText {
  readonly chainId: string;
  readonly escrow: string;
  readonly token: string;
  readonly amount?: string;
  readonly recipient: string;
  readonly paymentHash: string;
  readonly paymentSecret: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly description: string;
  readonly addresses: readonly string[];
}

type Field = readonly [type: number, value: Uint8Array];

const KEY = `0x${"5a".repeat(32)}`;
const signer = new Wallet(KEY);

const terms: RequestText = {
  chainId: "31337",
  escrow: `0x${"e5".repeat(20)}`,
  token: `0x${"70".repeat(20)}`,
  amount: "250000",
  recipient: signer.address.toLowerCase(),
  paymentHash: `0x${"aa".repeat(32)}`,
  paymentSecret: `0x${"bb".repeat(32)}`,
  createdAt: 1_800_000_000,
  expiresAt: 1_800_003_600,
  description: "Two coffees",
  addresses: ["/ip4/203.0.113.7/tcp/9740/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"],
};

function fieldsOf(text: RequestText): Field[] {
  const addresses = text.addresses.map((address) =>
    concat([Uint8Array.of(address.length), toUtf8Bytes(address)]),
  );
  return [
    [2, toBeArray(BigInt(text.chainId))],
    [4, getBytes(text.escrow)],
    [6, getBytes(text.token)],
    ...(text.amount === undefined ? [] : [[8, toBeArray(BigInt(text.amount))] as const]),
    [10, getBytes(text.recipient)],
    [12, getBytes(text.paymentHash)],
    [14, getBytes(text.paymentSecret)],
    [16, toBeArray(text.createdAt)],
    [18, toBeArray(text.expiresAt)],
    ...(text.description === "" ? [] : [[21, toUtf8Bytes(text.description)] as const]),
    ...(addresses.length === 0 ? [] : [[23, getBytes(concat(addresses))] as const]),
  ];
}

function contentOf(fields: readonly Field[], version = 1): Uint8Array {
  const packed = fields.map(([type, value]) =>
    concat([Uint8Array.of(type, value.length >> 8, value.length & 255), value]),
  );
  return getBytes(concat([Uint8Array.of(version), ...packed]));
}

function signed(content: Uint8Array, text = terms, key = KEY) {
  const domain = { name: "Rivulet", version: "1", chainId: text.chainId, verifyingContract: text.escrow };
  const types = { PaymentRequest: [{ name: "content", type: "bytes" }] };
  const digest = TypedDataEncoder.hash(domain, types, { content });
  const signature = new Wallet(key).signingKey.sign(digest).serialized;
  const request = textOf(getBytes(concat([content, signature])));
  return { digest, signature, request };
}

export function textOf(bytes: Uint8Array, prefix = "rvt"): string {
  return bech32m.encode(prefix, bech32m.toWords(bytes), false);
}

function validVector(name: string, change: Partial<RequestText>): RequestVectors["valid"][number] {
  const changed = { ...terms, ...change };
  if ("amount" in change && change.amount === undefined) delete (changed as { amount?: string }).amount;
  const content = contentOf(fieldsOf(changed));
  const vector = signed(content, changed);
  const uri = `rivulet:${vector.request}`;
  return { name, terms: changed, content: hexOf(content), ...vector, uri, qr: uri.toUpperCase() };
}

const hexOf = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString("hex")}`;

/** The usual fields with one replaced, or without it; or with one more. */
function changedFields(type: number, value: Uint8Array | undefined): Field[] {
  const others = fieldsOf(terms).filter(([other]) => other !== type);
  const all = value === undefined ? others : [...others, [type, value] as const];
  return all.toSorted(([a], [b]) => a - b);
}

function malformedVectors(): RequestVectors["invalid"] {
  const of = (name: string, fields: readonly Field[]) => ({
    name,
    request: signed(contentOf(fields)).request,
    code: "request_malformed",
  });
  const usual = fieldsOf(terms);
  const bytes = (...values: number[]) => Uint8Array.from(values);
  return [
    ...usual
      .filter(([type]) => type % 2 === 0 && type !== 8)
      .map(([type]) => of(`without field ${type}`, changedFields(type, undefined))),
    of("a field twice", [...usual.slice(0, 1), ...usual]),
    of("fields out of order", [usual[1]!, usual[0]!, ...usual.slice(2)]),
    of("an amount with a leading zero", changedFields(8, bytes(0, 1))),
    of("an amount of zero", changedFields(8, bytes())),
    of("an amount of 17 bytes", changedFields(8, new Uint8Array(17).fill(1))),
    of("a chain id of 9 bytes", changedFields(2, new Uint8Array(9).fill(1))),
    of("an escrow of 19 bytes", changedFields(4, new Uint8Array(19).fill(1))),
    of("a payment hash of 31 bytes", changedFields(12, new Uint8Array(31).fill(1))),
    of("an expiry at its beginning", changedFields(18, toBeArray(terms.createdAt))),
    of("a description with a line end", changedFields(21, toUtf8Bytes("a\nb"))),
    of("a description that turns its direction", changedFields(21, toUtf8Bytes("a\u202eb"))),
    of("a description that is no UTF-8", changedFields(21, bytes(0xff, 0xfe))),
    of("an empty description", changedFields(21, bytes())),
    of("an address that does not begin with a slash", changedFields(23, bytes(1, 0x61))),
    of("an address cut short", changedFields(23, bytes(9, 0x2f, 0x61))),
    of("five addresses", changedFields(23, bytes(...[1, 2, 3, 4, 5].flatMap(() => [2, 0x2f, 0x61])))),
  ];
}

export function requestVectors(): RequestVectors {
  const usual = validVector("usual", {});
  const { request, content } = usual;
  const data = getBytes(concat([content, usual.signature]));
  const highS = data.slice();
  highS[highS.length - 1] = 29;
  const invalid = (name: string, text: string, code: string) => ({ name, request: text, code });
  const last = request.endsWith("q") ? "p" : "q";
  return {
    signerKey: KEY,
    valid: [
      usual,
      validVector("any amount, native coin", { amount: undefined, token: `0x${"00".repeat(20)}` }),
      validVector("no description, no address", { description: "", addresses: [] }),
      validVector("the largest amount and chain", {
        amount: (2n ** 128n - 1n).toString(),
        chainId: (2n ** 64n - 1n).toString(),
      }),
      validVector("text of any script", { description: "Grüße, 你好, 🌊" }),
    ],
    invalid: [
      ...malformedVectors(),
      invalid(
        "an unknown even field",
        signed(contentOf(changedFields(20, getBytes("0x01")))).request,
        "request_field_unknown",
      ),
      invalid("another version", signed(contentOf(fieldsOf(terms), 2)).request, "request_version"),
      invalid(
        "signed by somebody else",
        signed(getBytes(content), terms, `0x${"33".repeat(32)}`).request,
        "request_signature_invalid",
      ),
      invalid(
        "signed for another chain",
        signed(getBytes(content), { ...terms, chainId: "1" }).request,
        "request_signature_invalid",
      ),
      invalid("a signature of another form", textOf(highS), "request_signature_invalid"),
      invalid("without a signature", textOf(getBytes(content).subarray(0, 60)), "request_malformed"),
      invalid("no data", textOf(new Uint8Array(0)), "request_malformed"),
      invalid("a wrong character", `${request.slice(0, -1)}${last}`, "request_checksum"),
      invalid(
        "bech32 instead of bech32m",
        bech32.encode("rvt", bech32.toWords(data), false),
        "request_checksum",
      ),
      invalid("mixed case", `RVT1${request.slice(4)}`, "request_malformed"),
      invalid("another prefix", textOf(data, "lnbc"), "request_prefix"),
      invalid("nothing", "", "request_prefix"),
    ],
  };
}

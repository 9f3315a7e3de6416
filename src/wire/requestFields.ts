import { type Address, addressToBytes } from "../protocol/address.ts";
import { MAX_UINT64 } from "../protocol/amount.ts";
import { fromMinimalBytes, toMinimalBytes } from "../protocol/bytes.ts";
import { HASH_BYTES } from "./bounds.ts";
import { Malformed, readAddress, readBytes } from "./field.ts";
import type { PaymentRequestTerms } from "./request.ts";

/**
 * The fields of a request: `type(1) ‖ length(2, big-endian) ‖ value` each, ascending by type. Who does not know an
 * even type must not pay; odd ones may be ignored (the rule of Lightning's BOLT 1). 25 is kept for route hints.
 */
const FIELD = {
  chainId: 2,
  escrow: 4,
  token: 6,
  amount: 8,
  recipient: 10,
  paymentHash: 12,
  paymentSecret: 14,
  createdAt: 16,
  expiresAt: 18,
  description: 21,
  addresses: 23,
} as const;

const HEADER_BYTES = 3;
const KNOWN: ReadonlySet<number> = new Set(Object.values(FIELD));

/** UTF-8: 256 characters of any script but the rarest. Leaves room for two or three addresses beside it. */
const MAX_DESCRIPTION_BYTES = 768;
/** A node is reached in one of a few ways, and a stranger's request must not make us dial more. */
export const MAX_REQUEST_ADDRESSES = 4;
/** A multiaddr with a domain name and a peer id is below 200. */
const MAX_ADDRESS_LENGTH = 255;
/** Unix seconds and amounts: until the year 10 million, and below 2^128. */
const MAX_TIME_BYTES = 6;
const MAX_AMOUNT_BYTES = 16;

/**
 * Control characters and line ends would act on a terminal; directional overrides and surrogates without their half
 * show another text than was signed.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

const UTF8 = new TextEncoder();
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Thrown inside the decoder for an even type this version does not know. */
export class UnknownField extends Error {
  readonly type: number;
  constructor(type: number) {
    super("unknown field");
    this.type = type;
  }
}

/** Why `description` cannot stand in a request, or undefined. */
export function descriptionProblem(description: string): string | undefined {
  if (UNPRINTABLE.test(description)) return "printable text in one line";
  return UTF8.encode(description).length > MAX_DESCRIPTION_BYTES
    ? `at most ${MAX_DESCRIPTION_BYTES} bytes`
    : undefined;
}

/** Bytes that `address` takes in a request; undefined if none may hold it. */
export function requestAddressBytes(address: string): number | undefined {
  return isAddress(address) ? 1 + address.length : undefined;
}

/** Packs `terms`. Throws `RangeError` on what {@link readRequestFields} would refuse. */
export function writeRequestFields(terms: PaymentRequestTerms): Uint8Array {
  const parts: Uint8Array[] = [];
  const put = (type: number, value: Uint8Array) => {
    parts.push(Uint8Array.of(type, value.length >> 8, value.length & 0xff), value);
  };
  put(FIELD.chainId, toMinimalBytes(terms.chainId));
  put(FIELD.escrow, addressToBytes(terms.escrow));
  put(FIELD.token, addressToBytes(terms.token));
  if (terms.amount !== undefined) put(FIELD.amount, toMinimalBytes(terms.amount));
  put(FIELD.recipient, addressToBytes(terms.recipient));
  put(FIELD.paymentHash, terms.paymentHash);
  put(FIELD.paymentSecret, terms.paymentSecret);
  put(FIELD.createdAt, toMinimalBytes(BigInt(terms.createdAt)));
  put(FIELD.expiresAt, toMinimalBytes(BigInt(terms.expiresAt)));
  if (terms.description !== "") put(FIELD.description, UTF8.encode(terms.description));
  if (terms.addresses.length > 0) put(FIELD.addresses, packAddresses(terms.addresses));
  const packed = joined(parts);
  try {
    readRequestFields(packed);
  } catch (cause) {
    throw new RangeError("a request breaks a bound", { cause });
  }
  return packed;
}

/** Throws `Malformed` and {@link UnknownField}; `decodeRequest` catches both. */
export function readRequestFields(bytes: Uint8Array): PaymentRequestTerms {
  const fields = split(bytes);
  const createdAt = readTime(fields, "createdAt");
  const expiresAt = readTime(fields, "expiresAt");
  if (expiresAt <= createdAt) throw new Malformed("it expires before it begins");
  const description = fields.get(FIELD.description);
  const addresses = fields.get(FIELD.addresses);
  return {
    chainId: readChainId(fields),
    escrow: readParty(fields, "escrow"),
    token: readParty(fields, "token"),
    amount: readAmount(fields.get(FIELD.amount)),
    recipient: readParty(fields, "recipient"),
    paymentHash: readBytes(needed(fields, "paymentHash"), HASH_BYTES, "paymentHash"),
    paymentSecret: readBytes(needed(fields, "paymentSecret"), HASH_BYTES, "paymentSecret"),
    createdAt,
    expiresAt,
    description: description === undefined ? "" : readDescription(description),
    addresses: addresses === undefined ? [] : readAddresses(addresses),
  };
}

type Fields = ReadonlyMap<number, Uint8Array>;

/** Ascending types leave one order only, and no field twice. */
function split(bytes: Uint8Array): Fields {
  const fields = new Map<number, Uint8Array>();
  let last = -1;
  for (let offset = 0; offset < bytes.length; ) {
    if (bytes.length - offset < HEADER_BYTES) throw new Malformed("cut short");
    const type = bytes[offset]!;
    const end = offset + HEADER_BYTES + (bytes[offset + 1]! << 8) + bytes[offset + 2]!;
    if (end > bytes.length) throw new Malformed("cut short");
    if (type <= last) throw new Malformed("fields out of order");
    if (type % 2 === 0 && !KNOWN.has(type)) throw new UnknownField(type);
    if (KNOWN.has(type)) fields.set(type, bytes.subarray(offset + HEADER_BYTES, end));
    last = type;
    offset = end;
  }
  return fields;
}

function needed(fields: Fields, name: keyof typeof FIELD): Uint8Array {
  const value = fields.get(FIELD[name]);
  if (value === undefined) throw new Malformed(`${name} is missing`);
  return value;
}

function readParty(fields: Fields, name: "escrow" | "token" | "recipient"): Address {
  return readAddress(needed(fields, name), name);
}

/** An integer in its one form: no leading zeros, at least `least`. */
function readInteger(bytes: Uint8Array, mostBytes: number, name: string): bigint {
  const value = bytes.length > mostBytes ? undefined : fromMinimalBytes(bytes);
  if (value === undefined || value === 0n)
    throw new Malformed(`${name} is no positive integer in its one form`);
  return value;
}

function readTime(fields: Fields, name: "createdAt" | "expiresAt"): number {
  return Number(readInteger(needed(fields, name), MAX_TIME_BYTES, name));
}

function readChainId(fields: Fields): bigint {
  const chainId = readInteger(needed(fields, "chainId"), 8, "chainId");
  if (chainId > MAX_UINT64) throw new Malformed("chainId is too large");
  return chainId;
}

function readAmount(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes === undefined ? undefined : readInteger(bytes, MAX_AMOUNT_BYTES, "amount");
}

function readDescription(bytes: Uint8Array): string {
  if (bytes.length === 0) throw new Malformed("description is empty, and then left out");
  let text: string;
  try {
    text = STRICT_UTF8.decode(bytes);
  } catch {
    throw new Malformed("description is no UTF-8");
  }
  const problem = descriptionProblem(text);
  if (problem !== undefined) throw new Malformed(`description: ${problem}`);
  return text;
}

/** `length(1) ‖ text` each. */
function packAddresses(addresses: readonly string[]): Uint8Array {
  return joined(
    addresses.map((address) => {
      if (!isAddress(address)) throw new RangeError("no multiaddr that a request can hold");
      return Uint8Array.of(address.length, ...UTF8.encode(address));
    }),
  );
}

function readAddresses(bytes: Uint8Array): string[] {
  const addresses: string[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const end = offset + 1 + bytes[offset]!;
    if (end > bytes.length) throw new Malformed("addresses are cut short");
    const address = String.fromCharCode(...bytes.subarray(offset + 1, end));
    if (!isAddress(address)) throw new Malformed("an address is no multiaddr");
    if (addresses.push(address) > MAX_REQUEST_ADDRESSES) throw new Malformed("too many addresses");
    offset = end;
  }
  if (addresses.length === 0) throw new Malformed("addresses are empty, and then left out");
  return addresses;
}

/** The form alone: whether it leads anywhere is found out by whoever dials it. */
function isAddress(text: string): boolean {
  return text.length <= MAX_ADDRESS_LENGTH && /^\/[\x21-\x7e]+$/.test(text);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

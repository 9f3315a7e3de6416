import type { Address } from "../protocol/address.ts";
import { addressToBytes } from "../protocol/address.ts";
import { Digests } from "../protocol/digests.ts";
import { isSignedBy } from "../protocol/ledger/state.ts";
import type { Crypto } from "../protocol/ports.ts";
import { SIGNATURE_BYTES } from "./bounds.ts";
import { Malformed } from "./field.ts";
import { readRequestFields, UnknownField, writeRequestFields } from "./requestFields.ts";
import { requestBytesOf, requestTextOf, WrongChecksum, WrongPrefix } from "./requestText.ts";

/** The version of the format, the first byte of a request's data. */
const REQUEST_VERSION = 1;

/** What a payment request asks for. */
export interface PaymentRequestTerms {
  readonly chainId: bigint;
  readonly escrow: Address;
  /** The zero address: the chain's native coin. */
  readonly token: Address;
  /** The token's base unit; undefined: any amount. */
  readonly amount: bigint | undefined;
  /** The signer to be paid, who signed the request. */
  readonly recipient: Address;
  /** SHA-256 of a preimage only the recipient knows. 32 bytes. */
  readonly paymentHash: Uint8Array;
  /** Shows the recipient that the payer has the request itself. 32 bytes. */
  readonly paymentSecret: Uint8Array;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Unix seconds; from then on it is not to be paid. */
  readonly expiresAt: number;
  /** Printable text. */
  readonly description: string;
  /** Multiaddrs under which the recipient may be reached. */
  readonly addresses: readonly string[];
}

/** Why a text is no request that can be paid. Each has the fields that explain it. */
export interface RequestRefusalFields {
  /** It begins with something else: another kind of invoice, or no invoice at all. */
  request_prefix: Record<never, never>;
  /** A character is missing or wrong: it was mistyped or cut. */
  request_checksum: Record<never, never>;
  request_malformed: { reason: string };
  request_version: { version: bigint };
  /** A field that must be understood and is not: a newer version made it. */
  request_field_unknown: { type: bigint };
  /** Not signed by the recipient it names. */
  request_signature_invalid: Record<never, never>;
}

export type RequestRefusalCode = keyof RequestRefusalFields;

export type RequestRefusal = {
  [Code in RequestRefusalCode]: {
    readonly ok: false;
    readonly code: Code;
    readonly fields: RequestRefusalFields[Code];
  };
}[RequestRefusalCode];

export type DecodedRequest =
  | { readonly ok: true; readonly terms: PaymentRequestTerms /** Lower case. */; readonly request: string }
  | RequestRefusal;

/**
 * The request string for `terms`, signed with the recipient's key. Throws `RangeError` if the terms break a bound:
 * what others would refuse is never made.
 */
export function encodeRequest(
  terms: PaymentRequestTerms,
  signerKey: Uint8Array,
  { keccak256, ecdsa }: Pick<Crypto, "keccak256" | "ecdsa">,
): string {
  const fields = writeRequestFields(terms);
  const bytes = new Uint8Array(1 + fields.length + SIGNATURE_BYTES);
  bytes[0] = REQUEST_VERSION;
  bytes.set(fields, 1);
  const content = bytes.subarray(0, 1 + fields.length);
  const digest = new Digests(terms.chainId, terms.escrow, keccak256).paymentRequest(content);
  bytes.set(ecdsa.sign(digest, signerKey), content.length);
  return requestTextOf(bytes);
}

/**
 * Reads a request string or `rivulet:` URI, in one case throughout, and verifies the recipient's signature. Never
 * throws, whatever the text. Which chain and escrow it is for, and whether it has expired, is the caller's to judge.
 */
export function decodeRequest(text: string, crypto: Crypto): DecodedRequest {
  try {
    const { bytes, request } = requestBytesOf(text);
    return decodeBytes(bytes, request, crypto);
  } catch (cause) {
    if (cause instanceof WrongPrefix) return refuse("request_prefix", {});
    if (cause instanceof WrongChecksum) return refuse("request_checksum", {});
    if (cause instanceof UnknownField) return refuse("request_field_unknown", { type: BigInt(cause.type) });
    if (cause instanceof Malformed) return refuse("request_malformed", { reason: cause.message });
    return refuse("request_malformed", { reason: "unreadable" });
  }
}

function decodeBytes(bytes: Uint8Array, request: string, crypto: Crypto): DecodedRequest {
  const version = bytes[0];
  if (version === undefined) throw new Malformed("no data");
  if (version !== REQUEST_VERSION) return refuse("request_version", { version: BigInt(version) });
  if (bytes.length < 1 + SIGNATURE_BYTES) throw new Malformed("no signature");
  const content = bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
  const terms = readRequestFields(content.subarray(1));
  const digest = new Digests(terms.chainId, terms.escrow, crypto.keccak256).paymentRequest(content);
  const signature = bytes.subarray(content.length);
  if (!isSignedBy(addressToBytes(terms.recipient), digest, signature, crypto)) {
    return refuse("request_signature_invalid", {});
  }
  return { ok: true, terms, request };
}

function refuse<Code extends RequestRefusalCode>(
  code: Code,
  fields: RequestRefusalFields[Code],
): RequestRefusal {
  return { ok: false, code, fields } as RequestRefusal;
}

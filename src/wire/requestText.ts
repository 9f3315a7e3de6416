import { bech32m } from "@scure/base";
import { Malformed } from "./field.ts";

/** Every request begins with this and the `1` that bech32 puts behind it. */
const PREFIX = "rvt";

const SCHEME = "rivulet:";

/** Characters of a request string: with the URI's scheme in front it fits 2,048, and 1,270 bytes are in it. */
export const MAX_REQUEST_LENGTH = 2_048 - SCHEME.length;

/** `rvt`, the separator and the checksum around the data. */
const FRAME_LENGTH = PREFIX.length + 1 + 6;

/** Five bits are in each character of the data. */
const MAX_REQUEST_BYTES = Math.floor(((MAX_REQUEST_LENGTH - FRAME_LENGTH) * 5) / 8);

/** Thrown inside the decoder for a text that begins as no request does. */
export class WrongPrefix extends Error {}

/** Thrown inside the decoder for a text whose checksum does not fit. */
export class WrongChecksum extends Error {}

export function requestTextOf(bytes: Uint8Array): string {
  if (bytes.length > MAX_REQUEST_BYTES) throw new RangeError("a request is too long");
  return bech32m.encode(PREFIX, bech32m.toWords(bytes), false);
}

/** The data of a request string or URI, and the string alone in lower case. Throws what `decodeRequest` catches. */
export function requestBytesOf(text: string): { readonly bytes: Uint8Array; readonly request: string } {
  if (text.length > MAX_REQUEST_LENGTH + SCHEME.length) throw new Malformed("too long");
  const hasScheme = text.slice(0, SCHEME.length).toLowerCase() === SCHEME;
  const bare = hasScheme ? text.slice(SCHEME.length) : text;
  const request = bare.toLowerCase();
  if (!request.startsWith(`${PREFIX}1`)) throw new WrongPrefix();
  if (request.length > MAX_REQUEST_LENGTH) throw new Malformed("too long");
  // BIP 173: a reader must not take mixed case, which no writer makes.
  if (bare !== request && bare !== bare.toUpperCase()) throw new Malformed("mixed case");
  // Lower-casing maps some characters outside of ASCII into it.
  if (!/^[0-9a-zA-Z]+$/.test(bare)) throw new Malformed("a character that no request has");
  const decoded = bech32m.decodeUnsafe(request, MAX_REQUEST_LENGTH);
  if (!decoded || decoded.prefix !== PREFIX) throw new WrongChecksum();
  const bytes = bech32m.fromWordsUnsafe(decoded.words);
  if (!bytes) throw new Malformed("bits left over");
  return { bytes, request };
}

/** For links and for what reads a QR code. */
export function requestUri(request: string): string {
  return `${SCHEME}${request}`;
}

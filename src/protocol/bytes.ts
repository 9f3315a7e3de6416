/** Conversions between bytes, hex strings and unsigned integers; every one checks its bounds. */

const MAX_UINT128 = (1n << 128n) - 1n;
const DIGITS = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

/** Bytes turned to text at once: arguments of one call have a limit. */
const HEX_CHUNK = 4096;

/** A `0x`-prefixed lower-case hex string. */
export type Hex = `0x${string}`;

export function toHex(bytes: Uint8Array): Hex {
  // Built by concatenation, an id would stay a tree of its pieces in memory: a kilobyte instead of a hundred bytes.
  if (bytes.length <= HEX_CHUNK) return hexOf(bytes, [0x30, 0x78]) as Hex;
  let text = "0x";
  for (let i = 0; i < bytes.length; i += HEX_CHUNK) text += hexOf(bytes.subarray(i, i + HEX_CHUNK), []);
  return text as Hex;
}

function hexOf(bytes: Uint8Array, codes: number[]): string {
  for (let i = 0; i < bytes.length; i++) codes.push(DIGITS[bytes[i]! >> 4]!, DIGITS[bytes[i]! & 15]!);
  return String.fromCharCode.apply(null, codes);
}

/** The bytes of a `0x`-prefixed hex string. Throws `RangeError` on anything else: callers decode only what they wrote or checked. */
export function fromHex(text: string): Uint8Array {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) throw new RangeError("not a 0x-prefixed hex string");
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16);
  return bytes;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `value` as 16 big-endian bytes at `offset`. Throws rather than cut: an amount must never shrink on its way. */
export function putUint128(view: DataView, offset: number, value: bigint): void {
  if (value < 0n || value > MAX_UINT128) throw new RangeError("not a uint128");
  view.setBigUint64(offset, value >> 64n);
  view.setBigUint64(offset + 8, value & 0xffffffffffffffffn);
}

export function readUint128(view: DataView, offset: number): bigint {
  const high = view.getBigUint64(offset);
  const low = view.getBigUint64(offset + 8);
  return high === 0n ? low : (high << 64n) | low;
}

/** `value` as a 32-byte big-endian word at `offset`. */
export function putUint256(view: DataView, offset: number, value: bigint): void {
  if (value < 0n || value >> 256n !== 0n) throw new RangeError("not a uint256");
  putUint128(view, offset, value >> 128n);
  putUint128(view, offset + 16, value & MAX_UINT128);
}

/** Big-endian, minimal length: zero is the empty array. The form amounts take on the wire. */
export function toMinimalBytes(value: bigint): Uint8Array {
  if (value < 0n) throw new RangeError("negative amount");
  if (value === 0n) return new Uint8Array(0);
  let digits = value.toString(16);
  if (digits.length % 2 === 1) digits = `0${digits}`;
  return fromHex(`0x${digits}`);
}

/** Inverse of {@link toMinimalBytes}; undefined for more than 32 bytes or a leading zero, so every amount has one encoding. */
export function fromMinimalBytes(bytes: Uint8Array): bigint | undefined {
  if (bytes.length > 32 || bytes[0] === 0) return undefined;
  if (bytes.length <= 8) {
    let small = 0n;
    for (const byte of bytes) small = (small << 8n) | BigInt(byte);
    return small;
  }
  return BigInt(toHex(bytes));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `a` before `b` in byte order: the order of participants in a channel. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

import { type Codec, writer } from "protons-runtime";

/**
 * Encodes with a generated codec.
 *
 * The runtime's own uint64 writer drops all but the lowest byte of numbers from 2^31 to 2^32 − 1 (protons-runtime
 * 7.1.2 compares the low half as a signed number): a deadline after 2038 or such a salt would silently become
 * another one. Its uint32 writer writes them rightly, and a varint is the same for both.
 */
export function encodeGenerated<T>(codec: Codec<T>, value: Partial<T>): Uint8Array {
  const out = writer();
  const uint64 = out.uint64.bind(out);
  out.uint64 = (number) => (number <= 0xffffffffn ? out.uint32(Number(number)) : uint64(number));
  codec.encode(value, out, { lengthDelimited: false });
  return out.finish();
}

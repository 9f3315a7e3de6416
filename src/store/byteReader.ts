/** Thrown when bytes end too early or a number is out of range: the file is not what it should be. */
export class MalformedBytes extends Error {}

/** Reads LevelDB's little-endian encodings. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  get done(): boolean {
    return this.offset >= this.#bytes.length;
  }

  /** A varint of up to 2^53. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.#bytes[this.offset++];
      if (byte === undefined) throw new MalformedBytes("a number is cut off");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new MalformedBytes("a number is too large");
        return value;
      }
    }
    throw new MalformedBytes("a number is too long");
  }

  uint64(): number {
    const at = this.bytes(8);
    const view = new DataView(at.buffer, at.byteOffset, 8);
    return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  }

  uint32(): number {
    const at = this.bytes(4);
    return new DataView(at.buffer, at.byteOffset, 4).getUint32(0, true);
  }

  bytes(length: number): Uint8Array {
    if (this.offset + length > this.#bytes.length) throw new MalformedBytes("bytes are missing");
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }

  /** A length and that many bytes. */
  slice(): Uint8Array {
    return this.bytes(this.varint());
  }
}

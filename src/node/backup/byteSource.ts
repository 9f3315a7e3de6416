/** Takes counted bytes from pieces of any size; holds no more than was asked for and one piece. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #waiting: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes, or undefined if the source ends before them. */
  async take(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [this.#waiting];
    let length = this.#waiting.length;
    while (length < count) {
      const { done, value } = await this.#pieces.next();
      if (done) {
        this.#waiting = Buffer.concat(parts);
        return undefined;
      }
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      length += value.length;
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.#waiting = all.subarray(count);
    return all.subarray(0, count);
  }
}

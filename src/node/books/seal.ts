import { type Hex, type Keccak256, toHex } from "../../protocol/index.ts";

const UTF8 = new TextEncoder();

/** A hash chain over a statement's record lines: `hash(n) = keccak256(hash(n−1) ‖ keccak256(line n))`, from zeros. */
export class Seal {
  readonly #keccak256: Keccak256;
  #hash: Uint8Array = new Uint8Array(32);
  records = 0;

  constructor(keccak256: Keccak256) {
    this.#keccak256 = keccak256;
  }

  add(line: string): void {
    const link = new Uint8Array(64);
    link.set(this.#hash);
    link.set(this.#keccak256(UTF8.encode(line)), 32);
    this.#hash = this.#keccak256(link);
    this.records++;
  }

  get bytes(): Uint8Array {
    return this.#hash;
  }

  get hash(): Hex {
    return toHex(this.#hash);
  }
}

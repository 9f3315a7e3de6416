import { Buffer } from "node:buffer";

/** The two applications of the demo. */
export type Name = "alice" | "bob";

/** The two channels of the demo. */
export type Asset = "native" | "token";

/**
 * What one application wants to pay another on one channel: orders 0, 1, 2, … of which both the paying application
 * and the tally know id and amount without asking a node.
 */
export interface Book {
  readonly number: number;
  readonly asset: Asset;
  readonly payer: Name;
  /** 16 hex digits that no other run of the demo has. */
  readonly run: string;
  /** Base units per unit of price. */
  readonly unit: bigint;
}

/** An order costs this many units of price at least and at most: a tenth of a cent to a cent. */
export const LEAST_UNITS = 1_000;
export const MOST_UNITS = 10_000;

/** 32 hex digits: the payment's id, `run(8) ‖ book(4) ‖ index(4)`. */
export function orderId(book: Book, index: number): string {
  const place = Buffer.alloc(8);
  place.writeUInt32BE(book.number, 0);
  place.writeUInt32BE(index, 4);
  return book.run + place.toString("hex");
}

/** The token's base unit. */
export function orderAmount(book: Book, index: number): bigint {
  const price = LEAST_UNITS + (scramble(index, book.number) % (MOST_UNITS - LEAST_UNITS + 1));
  return BigInt(price) * book.unit;
}

/** Spreads prices evenly and the same in every process (the finalizer of MurmurHash3). */
function scramble(index: number, salt: number): number {
  let bits = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

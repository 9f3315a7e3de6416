import { crc32 } from "node:zlib";
import { StoreError } from "./storeError.ts";

/** Bytes that framing adds to a value. */
const FRAME_BYTES = 4;

/**
 * `crc32(key ‖ payload) ‖ payload`: what is stored under `key`. LevelDB reads its tables without checking them,
 * so each value carries its own checksum; the key is part of it, so a value that turns up under another key fails.
 */
export function frame(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(FRAME_BYTES + payload.length);
  writeCrc(framed, crc32(payload, crc32(key)));
  framed.set(payload, FRAME_BYTES);
  return framed;
}

/** The payload of a frame, or undefined if it is not one or belongs to another key. A view, not a copy. */
export function unframe(key: Uint8Array, framed: Uint8Array): Uint8Array | undefined {
  if (framed.length < FRAME_BYTES) return undefined;
  const payload = framed.subarray(FRAME_BYTES);
  return readCrc(framed) === crc32(payload, crc32(key)) ? payload : undefined;
}

/** The payload of a frame. Throws `record_damaged` if it is not one. */
export function checkedPayload(key: Uint8Array, framed: Uint8Array): Uint8Array {
  const payload = unframe(key, framed);
  if (payload !== undefined) return payload;
  throw new StoreError(
    "record_damaged",
    `The stored record ${Buffer.from(key).toString("hex")} fails its checksum: the disk or the memory of this ` +
      "machine has altered it. Restart the node: it will look for damage and ask its peers for what is missing.",
    { moneyAtStake: true },
  );
}

function writeCrc(framed: Uint8Array, crc: number): void {
  framed[0] = crc >>> 24;
  framed[1] = crc >>> 16;
  framed[2] = crc >>> 8;
  framed[3] = crc;
}

function readCrc(framed: Uint8Array): number {
  return ((framed[0]! << 24) | (framed[1]! << 16) | (framed[2]! << 8) | framed[3]!) >>> 0;
}

import type { MarkState } from "./mark.ts";

const MAGIC = Buffer.from("rivulet\0", "latin1");
const BYTES = 28;

/** The record that makes a LevelDB a Rivulet database. */
export type Identity = Pick<MarkState, "id" | "schema">;

/** Magic (8), schema (4), id (16). */
export function encodeIdentity(identity: Identity): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(8, identity.schema);
  bytes.set(identity.id, 12);
  return bytes;
}

/** Undefined for anything else. */
export function decodeIdentity(bytes: Uint8Array): Identity | undefined {
  if (bytes.length !== BYTES || Buffer.compare(bytes.subarray(0, 8), MAGIC) !== 0) return undefined;
  const schema = new DataView(bytes.buffer, bytes.byteOffset, BYTES).getUint32(8);
  return { schema, id: bytes.slice(12) };
}

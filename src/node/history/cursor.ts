import { NodeError } from "../error.ts";

/** Where a reader of the log stands: in front of item `index` of record `sequence`. */
export interface Position {
  readonly sequence: number;
  readonly index: number;
}

const CURSOR = /^([0-9a-f]{16})-(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})$/;

/** Opaque to everybody else: `<epoch>-<sequence>-<index>`. */
export function cursorText(epoch: string, { sequence, index }: Position): string {
  return `${epoch}-${sequence}-${index}`;
}

/** Throws `cursor_invalid` for what no cursor looks like. */
export function parseCursor(cursor: string): Position & { readonly epoch: string } {
  const [, epoch, sequence, index] = CURSOR.exec(cursor) ?? [];
  const position = { sequence: Number(sequence), index: Number(index) };
  if (
    epoch === undefined ||
    !Number.isSafeInteger(position.sequence) ||
    !Number.isSafeInteger(position.index)
  ) {
    throw new NodeError({ code: "cursor_invalid", fields: { cursor: cursor.slice(0, 64) } });
  }
  return { epoch, ...position };
}

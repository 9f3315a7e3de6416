import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { link, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { usage } from "./exitCodes.ts";

/** Writes an answer's body to a file that only its owner may read, whole or not at all; to stdout without a path. */
export async function save(
  response: Response,
  path: string | undefined,
  force: boolean,
  signal: AbortSignal,
): Promise<void> {
  const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  if (path === undefined) {
    await pipeline(body, process.stdout, { end: false, signal });
    return;
  }
  // A name nobody can have planted anything under.
  const part = `${path}.${randomBytes(8).toString("hex")}.part`;
  try {
    await pipeline(body, createWriteStream(part, { mode: 0o600, flags: "wx", flush: true }), { signal });
    if (force) await rename(part, path);
    else await link(part, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw usage(`${path} is there already`, "--force replaces it.");
  } finally {
    await rm(part, { force: true });
  }
}

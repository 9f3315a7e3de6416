import { createWriteStream } from "node:fs";
import { access, rename, rm } from "node:fs/promises";
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
  if (!force && (await isThere(path))) throw usage(`${path} is there already`, "--force replaces it.");
  const part = `${path}.part`;
  try {
    await pipeline(body, createWriteStream(part, { mode: 0o600, flush: true }), { signal });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

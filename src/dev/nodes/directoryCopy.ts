import { constants } from "node:fs";
import { cp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DevError } from "../error.ts";

/** A writer that never rests is not waited for longer. */
const ATTEMPTS = 40;
const PAUSE_MS = 50;

/** The running node's own: a copy with it would count as in use. */
const LEFT_OUT = "lock";

/**
 * Copies the directory of a running node as it is in one moment: what a node finds after its process was killed, which
 * it is made for. Throws `snapshot_unsteady` if something kept being written while it was copied.
 */
export async function copyDirectory(from: string, to: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(PAUSE_MS);
    try {
      const before = await fingerprint(from);
      await copy(from, to);
      if ((await fingerprint(from)) === before) return;
    } catch (error) {
      // A file that LevelDB replaced between listing and copying.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new DevError({ code: "snapshot_unsteady", fields: { directory: from } });
}

/** Puts a copy in place of a directory that nobody uses. */
export async function restoreDirectory(from: string, to: string): Promise<void> {
  await copy(from, to);
}

async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path) => path !== join(from, LEFT_OUT),
  });
}

/** Names, sizes and times of all files: every write changes it. */
async function fingerprint(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const lines = entries
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(directory, LEFT_OUT)))
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeNs } = await stat(path, { bigint: true });
      return `${path} ${size} ${mtimeNs}`;
    });
  return (await Promise.all(lines)).sort().join("\n");
}

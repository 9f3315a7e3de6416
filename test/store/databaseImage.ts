import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { LedgerWriter } from "./ledger.ts";

/** Small buffers: many tables and log changes from few commits. */
export const openSmallStore = (path: string) => openLevelStore(path, { writeBufferSize: 1 << 16 });

/** The database's files as a killed process leaves them, the lock and LevelDB's own diary left out. */
export function takeImage(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, filter: (path) => !/\/(lock|LOCK|LOG|LOG\.old)$/.test(path) });
}

/** Takes an image of a database that is open, between two compactions. */
export async function takeLiveImage(from: string, to: string): Promise<void> {
  for (;;) {
    const before = readdirSync(from, { recursive: true }).join();
    try {
      takeImage(from, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (readdirSync(from, { recursive: true }).join() === before) return;
  }
}

/**
 * Writes synced commits and takes an image while the database is still open, so with a log in it: all of it
 * durable. Then writes unsynced ones and takes another.
 */
export async function makeImages(root: string, commits: number, unsynced: number) {
  const work = join(root, "work");
  const [synced, torn] = [join(root, "synced"), join(root, "torn")];
  const database = await openDatabase(work, { openStore: openSmallStore, syncAfterMs: 60_000 });
  const writer = await LedgerWriter.on(database, 5);
  for (let i = 0; i < commits; i++) await writer.commit(i % 5, true);
  await takeLiveImage(work, synced);
  for (let i = 0; i < unsynced; i++) await writer.commit(i % 5, false);
  await takeLiveImage(work, torn);
  await database.close();
  return { synced, torn, closed: work };
}

/** Files that make up the database, with their sizes. */
export function filesOf(image: string): { path: string; size: number }[] {
  const names = readdirSync(image, { recursive: true, encoding: "utf8" });
  return names
    .map((path) => ({
      path,
      size: statSync(join(image, path)).isFile() ? statSync(join(image, path)).size : 0,
    }))
    .filter(({ path, size }) => size > 0 && !/(^|\/)(lock|LOCK|LOG|LOG\.old)(\/|$)/.test(path))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Changes the bytes of one file of a copy. */
export function alter(image: string, path: string, change: (bytes: Buffer) => Buffer): void {
  const file = join(image, path);
  writeFileSync(file, change(readFileSync(file)));
}

/** One number for every byte, name and time of change in a directory. */
export function fingerprint(directory: string): string {
  const hash = createHash("sha256");
  for (const path of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const stats = statSync(join(directory, path));
    hash.update(`${path}\0${stats.mtimeMs}\0`);
    if (stats.isFile()) hash.update(readFileSync(join(directory, path)));
  }
  return hash.digest("hex");
}

import { readFileSync } from "node:fs";
import { cp, link, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createMaskedCrc32c, type MaskedCrc32c } from "./crc32c.ts";
import { unframe } from "./frame.ts";
import { batchVersions } from "./levelBatch.ts";
import { scanBehind, scanLog } from "./levelLog.ts";
import type { LevelVersion } from "./levelManifest.ts";
import { openLevelStore } from "./levelStore.ts";
import { tableVersions, type Version } from "./levelTable.ts";
import { syncPath } from "./logWatch.ts";
import type { Op } from "./store.ts";
import { compareVersions, mergeVersions } from "./versionMerge.ts";

/** Copies kept of damaged databases: enough to look into, not so many that a bad disk fills itself. */
const KEPT_COPIES = 4;
const COPY = /^damaged-\d+$/;

/** Bytes copied to the new database per write. */
const SALVAGE_BYTES = 1 << 20;

/** How many records were carried over, and how many were there but failed their checksum. */
export interface Salvaged {
  readonly kept: number;
  readonly dropped: number;
}

/**
 * Keeps the damaged database as it was found, beside it. Tables never change and are linked, not copied. Returns
 * the copy's path, or undefined when there are enough copies already.
 */
export async function keepCopy(directory: string, level: string): Promise<string | undefined> {
  const copies = (await readdir(directory)).filter((name) => COPY.test(name));
  if (copies.length >= KEPT_COPIES) return undefined;
  const copy = join(directory, `damaged-${Date.now()}`);
  await mkdir(copy);
  for (const name of await readdir(level)) {
    if (name === "LOCK") continue;
    if (/\.(ldb|sst)$/.test(name)) await link(join(level, name), join(copy, name));
    else await cp(join(level, name), join(copy, name));
  }
  return copy;
}

/**
 * Replaces a damaged database by a new one that holds every record that can still be read and passes its checksum,
 * without letting LevelDB near the damaged files. Without `version`, all tables and logs in the directory count,
 * so that something removed may come back. Survives being interrupted at any point.
 */
export async function rebuild(directory: string, version: LevelVersion | undefined): Promise<Salvaged> {
  const { level, fresh, old } = rebuildPaths(directory);
  await rm(fresh, { recursive: true, force: true });
  const salvaged = await copyReadable(level, fresh, version);
  await syncPath(fresh);
  await rename(level, old);
  await finishRebuild(directory);
  return salvaged;
}

/** Finishes or takes back a rebuild that was interrupted. */
export async function finishRebuild(directory: string): Promise<void> {
  const { level, fresh, old } = rebuildPaths(directory);
  const names = new Set(await readdir(directory));
  if (names.has("level.old") && !names.has("level")) await rename(fresh, level);
  else if (names.has("level.new")) await rm(fresh, { recursive: true });
  await syncPath(directory);
  await rm(old, { recursive: true, force: true });
}

function rebuildPaths(directory: string) {
  return {
    level: join(directory, "level"),
    fresh: join(directory, "level.new"),
    old: join(directory, "level.old"),
  };
}

async function copyReadable(from: string, to: string, version: LevelVersion | undefined): Promise<Salvaged> {
  const crc = await createMaskedCrc32c();
  const target = await openLevelStore(to);
  const salvaged = { kept: 0, dropped: 0 };
  let ops: Op[] = [];
  let bytes = 0;
  try {
    for (const { key, value } of mergeVersions(await openSources(from, version, crc))) {
      if (unframe(key, value!) === undefined) {
        salvaged.dropped += 1;
        continue;
      }
      salvaged.kept += 1;
      ops.push({ type: "put", key, value: value! });
      bytes += key.length + value!.length;
      if (bytes < SALVAGE_BYTES) continue;
      await target.write(ops, { sync: false });
      ops = [];
      bytes = 0;
    }
    if (ops.length > 0) await target.write(ops, { sync: false });
  } finally {
    await target.close();
  }
  return salvaged;
}

/** Every table and log as a sorted source. Tables are read when the merge gets to them and then stay in memory. */
async function openSources(
  directory: string,
  version: LevelVersion | undefined,
  crc: MaskedCrc32c,
): Promise<Iterable<Version>[]> {
  const sources: Iterable<Version>[] = [];
  for (const name of await readdir(directory)) {
    const match = /^(\d{6,})\.(log|ldb|sst)$/.exec(name);
    if (match === null) continue;
    const number = Number(match[1]);
    const isLog = match[2] === "log";
    if (version !== undefined && !(isLog ? number >= version.logNumber : version.tables.has(number)))
      continue;
    const path = join(directory, name);
    sources.push(isLog ? logVersions(await readFile(path), crc) : tableFile(path, crc));
  }
  return sources;
}

function* tableFile(path: string, crc: MaskedCrc32c): Generator<Version, undefined> {
  yield* tableVersions(readFileSync(path), crc);
}

/** What a log's whole records hold, also those behind a broken place, which LevelDB would drop. */
function logVersions(bytes: Uint8Array, crc: MaskedCrc32c): Version[] {
  const scan = scanLog(bytes, crc);
  const behind = scan.brokenAt === undefined ? [] : scanBehind(bytes, crc, scan.brokenAt.offset);
  return [...scan.records, ...behind]
    .flatMap((record) => batchVersions(record.payload))
    .sort(compareVersions);
}

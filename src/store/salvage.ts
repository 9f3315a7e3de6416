import { cp, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { unframe } from "./frame.ts";
import { openLevelStore } from "./levelStore.ts";
import { syncPath } from "./logWatch.ts";
import type { Op } from "./store.ts";

/** What `level` has in Node beyond what it has in browsers, and so beyond its types. */
const nodeLevel = Level as unknown as { repair(location: string): Promise<void> };

/** Copies kept of damaged databases: enough to look into, not so many that a bad disk fills itself. */
const KEPT_COPIES = 4;
const COPY = /^damaged-\d+$/;

/** Bytes copied to the new database per write. */
const SALVAGE_BYTES = 1 << 20;
const SALVAGE_CHUNK = 1000;

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

/** Lets LevelDB rebuild its manifest from whatever tables and logs there are. */
export async function repairManifest(level: string): Promise<void> {
  await nodeLevel.repair(level);
}

/**
 * Replaces a database with damaged tables by a new one that holds every record that can still be read and passes
 * its checksum: LevelDB would otherwise carry the damage along for ever. Survives being interrupted at any point.
 */
export async function rebuild(directory: string): Promise<{ kept: number; dropped: number }> {
  const { level, fresh, old } = rebuildPaths(directory);
  await rm(fresh, { recursive: true, force: true });
  const counts = await copyReadable(level, fresh);
  await syncPath(fresh);
  await rename(level, old);
  await finishRebuild(directory);
  return counts;
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

async function copyReadable(from: string, to: string): Promise<{ kept: number; dropped: number }> {
  const source = new Level<Uint8Array, Uint8Array>(from, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: false,
  });
  await source.open();
  const target = await openLevelStore(to);
  const counts = { kept: 0, dropped: 0 };
  let ops: Op[] = [];
  let bytes = 0;
  try {
    for await (const [key, value] of readable(source)) {
      if (unframe(key, value) === undefined) {
        counts.dropped += 1;
        continue;
      }
      counts.kept += 1;
      ops.push({ type: "put", key, value });
      bytes += key.length + value.length;
      if (bytes < SALVAGE_BYTES) continue;
      await target.write(ops, { sync: false });
      ops = [];
      bytes = 0;
    }
    if (ops.length > 0) await target.write(ops, { sync: false });
  } finally {
    await target.close();
    await source.close();
  }
  return counts;
}

/**
 * Everything that can be read. LevelDB steps over a block that it cannot read and says so only at the end, when
 * the entries fetched together with that message are lost to us: so the last of them are fetched one by one.
 */
async function* readable(
  level: Level<Uint8Array, Uint8Array>,
): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
  let after: Uint8Array | undefined;
  for (const size of [SALVAGE_CHUNK, 1]) {
    const iterator = level.iterator(after === undefined ? {} : { gt: after });
    try {
      for (;;) {
        const entries = await iterator.nextv(size);
        if (entries.length === 0) return;
        yield* entries;
        after = entries.at(-1)![0];
      }
    } catch {
      // Reported at the end of what is readable; what was broken shows as dropped records and a loss.
    } finally {
      await iterator.close();
    }
  }
}

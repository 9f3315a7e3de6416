import { mkdir, readdir, truncate } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Database, foreignMessage, type Inspect, openDatabaseOn } from "./database.ts";
import { DatabaseLock } from "./databaseLock.ts";
import { checkLevel } from "./levelCheck.ts";
import { damagedError, openLevelStore } from "./levelStore.ts";
import { syncPath } from "./logWatch.ts";
import { MarkFile, newMarkState, readSlots } from "./mark.ts";
import { newerError, SCHEMA, type SchemaPlan } from "./migration.ts";
import { finishRebuild, keepCopy, rebuild } from "./salvage.ts";
import type { Store } from "./store.ts";
import { StoreError } from "./storeError.ts";

export interface OpenOptions {
  /**
   * Open what would be refused as `database_damaged`: rebuild what can be read, keep a copy of what was found, and
   * report the rest as lost. Records that fail their checksum are moved out of the way of readers too, wherever they
   * are, and those that `inspect` names.
   */
  readonly repair?: boolean;
  /** With `repair`: whoever knows what records mean says which of the readable ones cannot be used. */
  readonly inspect?: Inspect;
  /** Opens the store in a directory; tests put one there that loses power. */
  readonly openStore?: (directory: string) => Promise<Store>;
  readonly schema?: SchemaPlan;
  /** How long an unsynced commit may wait for its sync; the committer's default if not given. */
  readonly syncAfterMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens or creates the database in `directory`, which then holds `level/` (LevelDB), `mark` (the high-water mark),
 * `lock/`, and a `damaged-*` copy for each damage found.
 *
 * Throws `StoreError` with `database_locked`, `database_newer`, `database_foreign` (in all three cases LevelDB's
 * files are untouched), `database_damaged`, `disk_full` or `store_failed`. Damage that LevelDB can live with does
 * not throw: it is reported as `integrity.lost`.
 */
export async function openDatabase(directory: string, options: OpenOptions = {}): Promise<Database> {
  const path = resolve(directory);
  const plan = options.schema ?? SCHEMA;
  await refuseForeign(path);
  refuseNewer(path, plan);
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined) await syncPath(dirname(made));
  const lock = await DatabaseLock.acquire(join(path, "lock"), path);
  try {
    const database = await openLocked(path, plan, options);
    return {
      ...database,
      close: async () => {
        try {
          await database.close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function refuseForeign(path: string): Promise<void> {
  const names = await namesIn(path);
  const ours = names.has("mark") || names.has("level");
  if ((names.size > 0 && !ours) || names.has("CURRENT")) {
    throw new StoreError("database_foreign", foreignMessage(path), { moneyAtStake: false });
  }
}

function refuseNewer(path: string, plan: SchemaPlan): void {
  const schema = readSlots(join(path, "mark"))?.state.schema ?? 0;
  if (schema > plan.version) throw newerError(path, schema, plan.version);
}

async function namesIn(path: string): Promise<Set<string>> {
  try {
    return new Set(await readdir(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Set();
    throw error;
  }
}

async function openLocked(path: string, plan: SchemaPlan, options: OpenOptions): Promise<Database> {
  const level = join(path, "level");
  await finishRebuild(path);
  refuseNewer(path, plan);
  const names = await namesIn(path);
  const found: string[] = [];
  const mark = await openMark(path, names, plan, found);
  let store: Store | undefined;
  try {
    const known = found.length === 0 ? mark.state.sequence : undefined;
    await prepareLevel(path, names.has("level"), known, found, options);
    store = await (options.openStore ?? openLevelStore)(level);
    await syncPath(path);
    return await openDatabaseOn({
      store,
      mark,
      name: path,
      found,
      schema: plan,
      syncAfterMs: options.syncAfterMs,
      ...(options.repair === true && { repair: { inspect: options.inspect } }),
    });
  } catch (error) {
    await store?.close().catch(() => {});
    mark.close();
    throw error;
  }
}

async function openMark(
  path: string,
  names: Set<string>,
  plan: SchemaPlan,
  found: string[],
): Promise<MarkFile> {
  const file = join(path, "mark");
  const existing = MarkFile.open(file);
  if (existing !== undefined) return existing;
  // A database is born mark first, so one without a mark has lost it, and with it the proof that it is whole.
  if (names.has("level")) found.push("the high-water mark is missing");
  const mark = MarkFile.create(file, newMarkState(plan.version));
  await syncPath(path);
  return mark;
}

/** Looks at LevelDB's files before LevelDB does, and makes them fit to be opened. */
async function prepareLevel(
  path: string,
  exists: boolean,
  marked: number | undefined,
  found: string[],
  options: OpenOptions,
): Promise<void> {
  const level = join(path, "level");
  // LevelDB makes CURRENT before its first log: without either, a crash interrupted the creation.
  const begun = [...(await namesIn(level))].some(
    (name) => name === "CURRENT" || /\.(log|ldb|sst)$/.test(name),
  );
  if (marked === 0 && !begun) return;
  if (!exists) {
    const detail = `${level} is missing, though ${marked} commits had been written to it`;
    if (!options.repair) throw damagedError(path, [detail]);
    found.push(detail);
    return;
  }
  const check = await checkLevel(level, marked, options.signal);
  if (check.kind === "clean") return;
  if (check.kind === "torn") {
    for (const { path: log, size } of check.truncate) {
      await truncate(log, size);
      await syncPath(log);
    }
    return;
  }
  if (check.version === undefined && !options.repair) throw damagedError(path, check.details);
  const copy = await keepCopy(path, level);
  const { kept, dropped } = await rebuild(path, check.version);
  found.push(...check.details, `${kept} records could be read, ${dropped} could not`);
  if (copy !== undefined) found.push(`what was found is kept in ${copy}`);
}

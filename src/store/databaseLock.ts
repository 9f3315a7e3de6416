import { Level } from "level";
import { lockedError, openFailure } from "./levelStore.ts";

/** What `level` has in Node beyond what it has in browsers, and so beyond its types. */
const nodeLevel = Level as unknown as { destroy(location: string): Promise<void> };

/**
 * Holds a directory for this process, from before anything in it is looked at.
 *
 * LevelDB's own lock comes too late: taking it rewrites the log, which has to be checked first, and a log that
 * another process is writing looks torn. Node has no file lock of its own, so this is the lock of an empty LevelDB
 * beside the real one; the operating system lets go of it when the process dies, however it dies.
 */
export class DatabaseLock {
  readonly #level: Level;

  private constructor(level: Level) {
    this.#level = level;
  }

  /** Throws `database_locked` when another process, or this one, has it. `path` is the lock's own directory. */
  static async acquire(path: string, database: string): Promise<DatabaseLock> {
    try {
      return new DatabaseLock(await opened(path));
    } catch (error) {
      if (isLocked(error)) throw lockedError(database, error);
    }
    // Nothing is in it, so whatever has become of its files, they can be made anew.
    try {
      await nodeLevel.destroy(path);
      return new DatabaseLock(await opened(path));
    } catch (error) {
      throw isLocked(error) ? lockedError(database, error) : openFailure(path, error);
    }
  }

  async release(): Promise<void> {
    await this.#level.close();
  }
}

async function opened(path: string): Promise<Level> {
  const level = new Level(path, { cacheSize: 0, writeBufferSize: 1 << 16 });
  await level.open();
  return level;
}

function isLocked(error: unknown): boolean {
  return (error as { cause?: { code?: string } }).cause?.code === "LEVEL_LOCKED";
}

import { closeSync, fdatasync, fstatSync, openSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const datasync = promisify(fdatasync);
const LOG_FILE = /^(\d{6,})\.log$/;

/**
 * Closes a gap in LevelDB's `sync`. When its log is full LevelDB starts another one and leaves the old one unsynced,
 * so a synced write that lands in the new log does not make earlier unsynced ones durable until the old log has
 * been turned into a table. This notices the change of logs by the size of the log that was in use, which every
 * write makes grow, and syncs what LevelDB left behind.
 */
export class LogWatch {
  readonly #directory: string;
  #fd = -1;
  #size = 0;
  #switched = false;

  constructor(directory: string) {
    this.#directory = directory;
    this.#follow();
  }

  /** To be called after each write has finished, and before the next begins. Costs one `fstat`. */
  wrote(): void {
    const size = fstatSync(this.#fd).size;
    if (size === this.#size) this.#switched = true;
    this.#size = size;
  }

  /** Whether a log was left behind that `settle` has yet to sync. */
  get switched(): boolean {
    return this.#switched;
  }

  /** Makes durable what the logs before the current one hold, and the current one's name in the directory. */
  async settle(): Promise<void> {
    await datasync(this.#fd);
    for (const number of this.#logs().slice(0, -1)) await syncPath(join(this.#directory, logName(number)));
    await syncPath(this.#directory);
    closeSync(this.#fd);
    this.#follow();
    this.#switched = false;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #follow(): void {
    const newest = this.#logs().at(-1);
    if (newest === undefined) throw new Error(`no log in ${this.#directory}`);
    this.#fd = openSync(join(this.#directory, logName(newest)), "r");
    this.#size = fstatSync(this.#fd).size;
  }

  #logs(): number[] {
    return readdirSync(this.#directory)
      .map((name) => LOG_FILE.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }
}

/** The name LevelDB gives the log of this number. */
export function logName(number: number): string {
  return `${String(number).padStart(6, "0")}.log`;
}

/** Syncs a file or directory; one that is gone needs none. */
export async function syncPath(path: string): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DevError } from "../error.ts";

/** Raised when what is kept changes its shape. */
const VERSION = 1;

/** Locks of this process: after a crash in a container another process's number may well be ours. */
const held = new Set<string>();

/** Where a network keeps its chain and its nodes. */
export interface StateDirectory {
  readonly path: string;
  /** Unix seconds of the chain's first block. */
  readonly genesisTime: number;
  readonly chainFile: string;
  /** Lets another network have it. */
  release(): void;
}

/** Opens or makes a state directory. Throws `state_in_use`, `state_newer`, `state_damaged`. */
export function openStateDirectory(directory: string, now: number): StateDirectory {
  const path = resolve(directory);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = join(path, "lock");
  takeLock(path, lock);
  const release = () => {
    held.delete(lock);
    rmSync(lock, { force: true });
  };
  try {
    const genesisTime = readGenesis(join(path, "network.json"), now);
    return { path, genesisTime, chainFile: join(path, "chain.jsonl"), release };
  } catch (error) {
    release();
    throw error;
  }
}

function readGenesis(file: string, now: number): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    writeFileSync(file, `${JSON.stringify({ version: VERSION, genesisTime: now })}\n`, { mode: 0o600 });
    return now;
  }
  let kept: { version?: unknown; genesisTime?: unknown };
  try {
    kept = JSON.parse(text);
  } catch (error) {
    throw new DevError({ code: "state_damaged", fields: { file, line: 1 } }, { cause: error });
  }
  const { version, genesisTime } = kept;
  if (typeof version !== "number" || typeof genesisTime !== "number") {
    throw new DevError({ code: "state_damaged", fields: { file, line: 1 } });
  }
  if (version > VERSION) throw new DevError({ code: "state_newer", fields: { version, known: VERSION } });
  return genesisTime;
}

/** A file with the process's number: what a killed process left behind is told from a running one. */
function takeLock(directory: string, lock: string): void {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 });
      held.add(lock);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const pid = Number(readFileSync(lock, "utf8"));
    const running = pid === process.pid ? held.has(lock) : pid > 0 && isRunning(pid);
    if (running) throw new DevError({ code: "state_in_use", fields: { directory, pid } });
    rmSync(lock, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

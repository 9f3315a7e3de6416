import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "./failure.mjs";

const POLL_MS = 200;
const HEARTBEAT_MS = 2_000;
/** A holder that cannot be asked (another host, a recycled process id) is given up after this silence. */
const SILENCE_MS = 60_000;
/** Taking over is a few system calls: a marker for it that is older than this was left by a crash. */
const TAKEOVER_MS = 10_000;

function readHolder(path) {
  try {
    const owner = join(path, "owner.json");
    return { ...JSON.parse(readFileSync(owner, "utf8")), beat: statSync(owner).mtimeMs };
  } catch {
    // Absent, or just being replaced: either way the next look decides.
    return undefined;
  }
}

function isAlive(pid) {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Dead for certain: it ran on this host, and neither it nor the tool it had started is left. */
function isDead(holder) {
  return holder.host === hostname() && !isAlive(holder.pid) && !isAlive(holder.child);
}

function writeOwner(directory, owner) {
  const next = join(directory, `owner.${owner.token}`);
  writeFileSync(next, JSON.stringify(owner));
  renameSync(next, join(directory, "owner.json"));
}

/** Moves a directory away before removing it, so that nobody ever sees it half removed. */
function removeWhole(path) {
  const gone = `${path}.gone-${randomUUID()}`;
  renameSync(path, gone);
  rmSync(gone, { recursive: true, force: true });
}

/** A directory that comes into being with its owner inside: renaming onto a held lock fails. */
function tryTake(path, owner) {
  const prepared = `${path}.new-${owner.token}`;
  mkdirSync(prepared, { recursive: true });
  writeOwner(prepared, owner);
  try {
    renameSync(prepared, path);
    return true;
  } catch (error) {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    rmSync(prepared, { recursive: true, force: true });
    return false;
  }
}

/**
 * Removes the lock of a holder found dead or silent. Only one waiter at a time may do so, and only if the
 * lock is still that holder's: else the second of two waiters would remove the lock of the first.
 */
function evict(path, holder) {
  const marker = `${path}.takeover`;
  try {
    mkdirSync(marker);
  } catch {
    try {
      if (Date.now() - statSync(marker).mtimeMs > TAKEOVER_MS) rmdirSync(marker);
    } catch {
      // Another waiter was quicker.
    }
    return;
  }
  try {
    const now = readHolder(path);
    if (now?.token === holder.token && now.beat === holder.beat) removeWhole(path);
  } finally {
    rmdirSync(marker);
  }
}

async function take(path, owner, say) {
  let seen;
  let seenAt = performance.now();
  let told = false;
  while (!tryTake(path, owner)) {
    const holder = readHolder(path);
    if (holder !== undefined) {
      if (holder.token !== seen?.token || holder.beat !== seen.beat) {
        seen = holder;
        seenAt = performance.now();
      }
      if (isDead(holder) || performance.now() - seenAt > SILENCE_MS) {
        evict(path, holder);
        continue;
      }
      if (!told) say(`waiting for another build in this folder (process ${holder.pid})`);
      told = true;
    }
    await sleep(POLL_MS);
  }
}

/** A held lock: keeps its heartbeat going and tells others which tool is at work. */
class HeldLock {
  #path;
  #owner;
  #timer;

  constructor(path, owner) {
    this.#path = path;
    this.#owner = owner;
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#timer.unref();
  }

  #beat() {
    try {
      if (this.isHeld()) utimesSync(join(this.#path, "owner.json"), new Date(), new Date());
    } catch {
      // A beat missed is no harm: the check before each stamp decides.
    }
  }

  isHeld() {
    return readHolder(this.#path)?.token === this.#owner.token;
  }

  /** Throws if someone took the lock over, so that no stamp vouches for work done by two at once. */
  assertHeld() {
    if (!this.isHeld()) throw new Failure("another process took over this build; run the command again");
  }

  setChild(pid) {
    this.#owner = { ...this.#owner, child: pid };
    if (this.isHeld()) writeOwner(this.#path, this.#owner);
  }

  release() {
    clearInterval(this.#timer);
    if (this.isHeld()) removeWhole(this.#path);
  }
}

/** Runs `work` while no other process on this folder does, waiting for those that came before. */
export async function withLock(path, say, work) {
  const owner = { token: randomUUID(), pid: process.pid, host: hostname() };
  mkdirSync(dirname(path), { recursive: true });
  await take(path, owner, say);
  const lock = new HeldLock(path, owner);
  try {
    return await work(lock);
  } finally {
    lock.release();
  }
}

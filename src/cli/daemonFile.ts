import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a node writes down beside its database while it runs. */
interface Written {
  readonly url: string;
  readonly pid: number;
  /** See {@link birthOf}; absent where the system does not tell. */
  readonly birth?: string | undefined;
}

export function daemonFileIn(dataDir: string): string {
  return join(dataDir, "daemon.json");
}

/** Notes that this process is the node over `dataDir`, and where its API is. */
export async function writeDaemonFile(dataDir: string, url: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const { pid } = process;
  const written: Written = { pid, url, birth: await birthOf(pid) };
  await writeFile(daemonFileIn(dataDir), `${JSON.stringify(written)}\n`, { mode: 0o600 });
}

/**
 * The address that the node over `dataDir` has written down, while that very process lives. After a crash the system
 * gives its number to others, and somebody else may listen at its address, for the owner's token.
 */
export async function runningUrl(dataDir: string): Promise<string | undefined> {
  try {
    const { url, pid, birth } = JSON.parse(await readFile(daemonFileIn(dataDir), "utf8")) as Written;
    process.kill(pid, 0);
    return (await birthOf(pid)) === birth ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Where the start of a process stands in its line in `/proc`, counted from behind its name. */
const START_TIME = 19;

/** When a process began, and under which boot: what no other process of its number shares. Undefined beside Linux. */
async function birthOf(pid: number): Promise<string | undefined> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, "utf8");
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    // The name may hold spaces and brackets.
    const started = line.slice(line.lastIndexOf(")") + 2).split(" ")[START_TIME];
    return started === undefined ? undefined : `${boot.trim()}/${started}`;
  } catch {
    return undefined;
  }
}

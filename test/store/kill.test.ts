import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { seededRandom } from "../../src/store/random.ts";
import { readLedger } from "./ledger.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-kill-"));
afterAll(() => rmSync(root, { recursive: true }));

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);
const rounds = Number(process.env.RIVULET_KILLS ?? 5);
const CHANNELS = 8;

/** Runs the writer, kills it `after` milliseconds into its work, and gives what it had claimed by then. */
async function runAndKill(directory: string, kind: string, after: number, runSeed: number) {
  const script = fileURLToPath(new URL("./writerProcess.ts", import.meta.url));
  const child = spawn(process.execPath, [script, directory, String(runSeed), kind, String(CHANNELS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") setTimeout(() => child.kill("SIGKILL"), after);
    output += text;
  });
  await new Promise((resolve) => child.once("close", resolve));
  const lines = output.split("\n").slice(0, -1);
  const acknowledged = new Map<number, number>();
  for (const line of lines) {
    const ack = /^ack (\d+) (\d+)$/.exec(line);
    if (ack !== null) acknowledged.set(Number(ack[1]), Number(ack[2]));
  }
  return { acknowledged, lost: lines.find((line) => line.startsWith("lost")) };
}

/** Kills and reopens a few times over. Throws at the first acknowledged commit that is gone. */
async function survives(kind: string): Promise<number> {
  const directory = join(root, `${kind}-${seed}`);
  const random = seededRandom(seed);
  let commits = 0;
  for (let round = 0; round < rounds; round++) {
    const { acknowledged, lost } = await runAndKill(directory, kind, 20 + random() * 250, seed + round);
    if (lost !== undefined) throw new Error(`reported as damaged: ${lost}`);
    const database = await openDatabase(directory);
    try {
      if (database.integrity.lost)
        throw new Error(`reported as damaged: ${database.integrity.details.join("; ")}`);
      const { sequences, journal } = await readLedger(database);
      for (const [channel, sequence] of acknowledged) {
        const found = sequences.get(channel) ?? 0;
        if (found < sequence)
          throw new Error(`channel ${channel} is at ${found}, ${sequence} was acknowledged`);
      }
      commits = journal;
    } finally {
      await database.close();
    }
  }
  return commits;
}

describe(`killing a process that writes (RIVULET_SEED=${seed})`, () => {
  it("loses nothing acknowledged, tears no commit apart and is no damage, on LevelDB", {
    timeout: 60_000,
  }, async () => {
    expect(await survives("level")).toBeGreaterThan(rounds);
  });

  it("is survived as well when the power goes: what was synced is there, in order", {
    timeout: 60_000,
  }, async () => {
    expect(await survives("power")).toBeGreaterThan(rounds);
  });

  it("loses acknowledged commits when sync is switched off, so the test above can fail", {
    timeout: 60_000,
  }, async () => {
    await expect(survives("power-nosync")).rejects.toThrow(/was acknowledged|reported as damaged/);
  });
});

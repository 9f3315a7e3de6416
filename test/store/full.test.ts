import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/store/levelDatabase.ts";
import { readLedger } from "./ledger.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-full-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("a disk that takes no more", () => {
  it("stops everything with disk_full, and what was acknowledged is there when there is room again", async () => {
    const script = fileURLToPath(new URL("./fullProcess.ts", import.meta.url));
    // A limit on the size of a file (1 MiB, in units of 512 bytes or more) is a disk that one process sees full.
    const limited = 'ulimit -f 2048; exec "$0" "$@"';
    const { stdout } = await promisify(execFile)("sh", [
      "-c",
      limited,
      process.execPath,
      script,
      join(root, "db"),
    ]);
    const outcome = JSON.parse(stdout) as { acknowledged: number };
    expect(outcome).toMatchObject({ code: "disk_full", later: "same", failed: true, closed: "same" });
    expect(outcome.acknowledged).toBeGreaterThan(100);
    const database = await openDatabase(join(root, "db"));
    expect(database.integrity).toMatchObject({ lost: false, details: [] });
    // The commit that failed may have reached the disk, or not.
    const found = (await readLedger(database)).sequences.get(0)!;
    expect(found - outcome.acknowledged).toBeGreaterThanOrEqual(0);
    expect(found - outcome.acknowledged).toBeLessThanOrEqual(1);
    await database.close();
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, describe, expect, it } from "vitest";
import { LogWatch } from "../../src/store/logWatch.ts";

const root = mkdtempSync(join(tmpdir(), "rivulet-logs-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("LevelDB's change of logs", () => {
  it("is noticed at the write that causes it, every time, and only then", async () => {
    const level = new Level<string, string>(root, { writeBufferSize: 1 << 16 });
    await level.open();
    const watch = new LogWatch(root);
    let switches = 0;
    for (let i = 0; i < 3000; i++) {
      await level.put(`key ${i}`, "x".repeat(100), { sync: false });
      watch.wrote();
      if (!watch.switched) continue;
      switches += 1;
      await watch.settle();
      expect(watch.switched).toBe(false);
    }
    // 3000 entries of about 130 bytes in memory fill 64 KiB about six times.
    expect(switches).toBeGreaterThanOrEqual(4);
    expect(switches).toBeLessThanOrEqual(10);
    watch.close();
    await level.close();
  });
});

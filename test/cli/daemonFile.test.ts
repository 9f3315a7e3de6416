import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { daemonFileIn, runningUrl, writeDaemonFile } from "../../src/cli/daemonFile.ts";

const URL = "http://127.0.0.1:9742";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-daemon-"));
});
beforeEach(() => writeDaemonFile(directory, URL));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What a crash may leave: everything as the node wrote it, except for `change`. */
async function leave(change: object): Promise<void> {
  const written = JSON.parse(await readFile(daemonFileIn(directory), "utf8"));
  await writeFile(daemonFileIn(directory), JSON.stringify({ ...written, ...change }));
}

describe("the address of the node over a data directory", () => {
  it("is known while the process lives that wrote it down, and only its owner may read it", async () => {
    expect(await runningUrl(directory)).toBe(URL);
    expect((await stat(daemonFileIn(directory))).mode & 0o777).toBe(0o600);
  });

  it("is nobody's once that process is gone", async () => {
    const gone = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => gone.once("exit", resolve));
    await leave({ pid: gone.pid });
    expect(await runningUrl(directory)).toBeUndefined();
  });

  it.runIf(process.platform === "linux")("is nobody's when another process has got its number", async () => {
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      await leave({ pid: other.pid });
      expect(await runningUrl(directory)).toBeUndefined();
    } finally {
      other.kill();
    }
  });

  it.runIf(process.platform === "linux")("is nobody's after the machine began anew", async () => {
    const { birth } = JSON.parse(await readFile(daemonFileIn(directory), "utf8"));
    await leave({ birth: `00000000-0000-4000-8000-000000000000/${birth.split("/")[1]}` });
    expect(await runningUrl(directory)).toBeUndefined();
    await leave({ birth: undefined });
    expect(await runningUrl(directory)).toBeUndefined();
  });
});

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const DEMO = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

/** The demo's own limit is far longer: a test that hangs should say so. */
const LIMIT_MS = 150_000;

let folder: string;
let demo: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rivulet-demo-test-"));
});

afterEach(async () => {
  demo?.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  readonly process: ChildProcess;
  /** What it wrote so far. */
  readonly said: { stdout: string; stderr: string };
  readonly code: Promise<number | null>;
}

function run(...args: string[]): Run {
  demo = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  demo.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said.stdout += text;
  });
  demo.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said.stderr += text;
  });
  return { process: demo, said, code: once(demo, "close").then(([code]) => code as number | null) };
}

function childrenOf(pid: number): number[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = rows.map((row) => row.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child!);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("the demo", () => {
  it(
    "runs all its steps for real and finds every balance on chain as the applications say",
    async () => {
      const { said, code } = run("--payments", "2000", "--json");
      expect([await code, said.stderr.includes("failed")]).toEqual([0, false]);
      const result = JSON.parse(said.stdout);
      expect(result).toMatchObject({ ok: true, problems: [] });
      // 200 one by one, 2,000 streamed, 4 × 2,000 around the crash, 600 around the cheat.
      expect(result.payments).toBe(200 + 2_000 + 8_000 + 600);
      expect(result.checks).toHaveLength(14);
      for (const { what, expected, chain, ok } of result.checks)
        expect([what, chain, ok]).toEqual([what, expected, true]);
      expect(result.stream.payments).toBe(2_000);
      expect(result.stream.perSecond).toBeGreaterThan(0);
      expect(result.stream.latency.p99).toBeGreaterThanOrEqual(result.stream.latency.p50);
      expect(result.crash.unacknowledged.alice).toBeGreaterThan(0);
      expect(result.crash.unacknowledged.bob).toBeGreaterThan(0);
      expect(result.crash.resumed).toBeGreaterThanOrEqual(result.crash.unacknowledged.bob);
      expect(BigInt(result.cheat.hidden)).toBeGreaterThan(0n);
      expect(BigInt(result.cheat.staleNonce)).toBeGreaterThan(0n);
      expect(BigInt(result.cheat.lastNonce)).toBeGreaterThan(BigInt(result.cheat.staleNonce));
      expect(result.costs.map(({ asset }: { asset: string }) => asset)).toEqual(["native", "token"]);
      expect(await readdir(folder)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    "takes everything it started with it when it is interrupted",
    async () => {
      const { process: running, said, code } = run("--payments", "1000000");
      while (!said.stdout.includes("both ways at once") && running.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const children = childrenOf(running.pid!);
      expect(children).toHaveLength(3);
      running.kill("SIGINT");
      expect(await code).toBe(130);
      expect(children.filter(isAlive)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    "says which process died, and fails",
    async () => {
      const { process: running, said, code } = run("--payments", "1000000");
      while (!said.stdout.includes("both ways at once") && running.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const children = childrenOf(running.pid!);
      process.kill(children.at(-1)!, "SIGKILL");
      expect(await code).toBe(1);
      expect(said.stderr).toMatch(/the demo failed: (alice|bob) was ended by SIGKILL/);
      expect(children.filter(isAlive)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    },
    LIMIT_MS,
  );

  it("explains itself, and refuses what it does not understand", async () => {
    const help = run("--help");
    expect(await help.code).toBe(0);
    expect(help.said.stdout).toContain("--payments <n>");
    const wrong = run("--payments", "many");
    expect(await wrong.code).toBe(2);
    expect(wrong.said.stderr).toContain('not "many"');
    expect(wrong.said.stdout).toBe("");
  });
});

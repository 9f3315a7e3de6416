// Puts each fault of mutants-contract.list.ts into a scratch copy of the escrow and requires the Solidity tests to fail.
//   node scripts/mutants-contract.ts [--json] [--jobs N] [--only <part of a name>]
// Exits 1 if a mutant survives, 2 if one does not apply or does not compile, or if the unchanged escrow fails.
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./mutants-contract.list.ts";

/** Two compilers fill the smallest machine that runs this. */
const DEFAULT_JOBS = 2;
const MUTANT_TIMEOUT_MS = 300_000;
/** The first run of a copy may have to compile everything. */
const CLEAN_TIMEOUT_MS = 900_000;
const COPIED = [
  "contracts",
  "test/vectors",
  "artifacts",
  "cache",
  "hardhat.config.ts",
  "package.json",
  "tsconfig.json",
];
const ROOT = new URL("..", import.meta.url).pathname;

type Verdict = "caught" | "survived" | "broken";

interface Outcome {
  readonly name: string;
  readonly property: number;
  readonly verdict: Verdict;
  readonly seconds: number;
  /** The first test that failed, or why the mutant is broken. */
  readonly by: string;
}

const { values: options } = parseArgs({
  options: { json: { type: "boolean" }, jobs: { type: "string" }, only: { type: "string" } },
});

/** A project of its own that shares nothing that a build writes. */
async function scratchCopy(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "rivulet-mutants-"));
  for (const path of COPIED) {
    await cp(join(ROOT, path), join(directory, path), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  // The compiler's cache names files by their absolute paths. Without this all would be compiled anew, no worse.
  const cache = join(directory, "cache", "compile-cache.json");
  await writeFile(cache, (await readFile(cache, "utf8")).replaceAll(ROOT, `${directory}/`));
  return directory;
}

interface TestRun {
  readonly code: number | null;
  readonly output: string;
}

function runTests(directory: string, timeoutMs: number): Promise<TestRun> {
  const hardhat = join(directory, "node_modules", "hardhat", "dist", "src", "cli.js");
  const env = { ...process.env, ESCROW_FUZZ_RUNS: "48", ESCROW_INVARIANT_RUNS: "2", NO_COLOR: "1", CI: "1" };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [hardhat, "test", "solidity"], { cwd: directory, env });
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    let output = "";
    const collect = (data: Buffer) => {
      output += data.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

function firstFailure(output: string): string {
  return /^\s+1\) (\S+#\S+)/m.exec(output)?.[1] ?? "a test";
}

function judge(run: TestRun): { verdict: Verdict; by: string } {
  if (run.code === null) {
    return { verdict: "broken", by: "timed out" };
  }
  if (!/Running Solidity tests/.test(run.output)) {
    return { verdict: "broken", by: "does not compile" };
  }
  return run.code === 0
    ? { verdict: "survived", by: "" }
    : { verdict: "caught", by: firstFailure(run.output) };
}

async function tryMutant(directory: string, mutant: Mutant): Promise<Outcome> {
  const { name, property } = mutant;
  const start = Date.now();
  const path = join(directory, mutant.file);
  const source = await readFile(path, "utf8");
  const outcome = (verdict: Verdict, by: string) => ({
    name,
    property,
    verdict,
    by,
    seconds: Math.round((Date.now() - start) / 1_000),
  });
  if (source.split(mutant.find).length !== 2) {
    return outcome("broken", "its text is not there exactly once");
  }
  try {
    await writeFile(
      path,
      source.replace(mutant.find, () => mutant.replace),
    );
    const { verdict, by } = judge(await runTests(directory, MUTANT_TIMEOUT_MS));
    return outcome(verdict, by);
  } finally {
    await writeFile(path, source);
  }
}

function report(outcome: Outcome): void {
  if (!options.json) {
    const line = `${outcome.verdict.padEnd(9)} ${String(outcome.seconds).padStart(4)} s  ${outcome.name}`;
    process.stdout.write(`${line}${outcome.by === "" ? "" : `  [${outcome.by}]`}\n`);
  }
}

async function worker(queue: Mutant[], outcomes: Outcome[]): Promise<void> {
  const directory = await scratchCopy();
  try {
    const clean = await runTests(directory, CLEAN_TIMEOUT_MS);
    if (clean.code !== 0) {
      throw new Error(
        `the unchanged escrow does not pass (exit ${clean.code}):\n${clean.output.slice(-2_000)}`,
      );
    }
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const outcome = await tryMutant(directory, mutant);
      outcomes.push(outcome);
      report(outcome);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const only = options.only ?? "";
  const queue = MUTANTS.filter((mutant) => mutant.name.includes(only));
  const count = queue.length;
  const outcomes: Outcome[] = [];
  const jobs = Math.max(1, Math.min(Number(options.jobs ?? DEFAULT_JOBS), count));
  await Promise.all(Array.from({ length: jobs }, () => worker(queue, outcomes)));
  const of = (verdict: Verdict) => outcomes.filter((outcome) => outcome.verdict === verdict);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(outcomes)}\n`);
  } else {
    process.stdout.write(`${of("caught").length} of ${count} caught, ${of("survived").length} survived, `);
    process.stdout.write(`${of("broken").length} broken\n`);
  }
  return count === 0 || of("broken").length > 0 ? 2 : of("survived").length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

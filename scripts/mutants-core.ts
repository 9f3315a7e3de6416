// Breaks src/protocol in every way that is listed and fails unless test/protocol notices each:
//   node scripts/mutants-core.ts                 all of them, two at a time
//   node scripts/mutants-core.ts --only <name>   one, with the output of its tests
//   node scripts/mutants-core.ts --json          one line of JSON per mutant
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./mutants-core.list.ts";

/** At once: one run keeps about one core busy. */
const WORKERS = 2;
/** A run takes seconds; a mutant that makes it hang has been noticed. */
const PATIENCE_MS = 120_000;
/** The properties need not search for long: each mutant breaks what many histories touch. */
const HISTORIES = "0.25";
/** Always the same histories, so that a mutant that is caught today is caught tomorrow. */
const SEED = "20260401";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COPIED = [
  "src/protocol",
  "src/crypto",
  "test/protocol",
  "test/vectors",
  "package.json",
  "vitest.config.ts",
];

type Verdict = "caught" | "survived" | "does not apply" | "does not compile";

interface Outcome {
  readonly name: string;
  readonly verdict: Verdict;
  readonly seconds: number;
}

async function scratchCopy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rivulet-mutants-"));
  for (const path of COPIED) await cp(join(ROOT, path), join(folder, path), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

interface Run {
  readonly passed: boolean;
  readonly output: string;
}

/** Runs the tests in `folder` until the first fails: the quick ones before the properties. */
async function runTests(folder: string): Promise<Run> {
  const quick = await runVitest(folder, ["test/protocol", "--exclude=**/*.property.test.ts"]);
  return quick.passed ? await runVitest(folder, ["property.test"]) : quick;
}

function runVitest(folder: string, which: readonly string[]): Promise<Run> {
  const env = { ...process.env, RIVULET_RUNS: HISTORIES, RIVULET_SEED: SEED };
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", ...which, "--bail=1", "--maxWorkers=1", "--reporter=dot"];
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const patience = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(patience);
      resolve({ passed: code === 0, output });
    });
  });
}

/** Whether a failing run failed for a test's sake: a mutant that is no program proves nothing. */
function isCaughtByTests({ output }: Run): boolean {
  return !/SyntaxError|Transform failed|PARSE_ERROR/.test(output);
}

async function tryMutant(mutant: Mutant, folder: string): Promise<{ verdict: Verdict; output: string }> {
  const path = join(folder, "src/protocol", mutant.file);
  const source = await readFile(path, "utf8");
  if (source.split(mutant.find).length !== 2) return { verdict: "does not apply", output: "" };
  await writeFile(
    path,
    source.replace(mutant.find, () => mutant.replace),
  );
  try {
    const run = await runTests(folder);
    if (run.passed) return { verdict: "survived", output: run.output };
    return { verdict: isCaughtByTests(run) ? "caught" : "does not compile", output: run.output };
  } finally {
    await writeFile(path, source);
  }
}

/** One worker: takes mutants from `queue` until there are none. */
async function work(queue: Mutant[], report: (outcome: Outcome, output: string) => void): Promise<void> {
  const folder = await scratchCopy();
  try {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const start = performance.now();
      const { verdict, output } = await tryMutant(mutant, folder);
      report({ name: mutant.name, verdict, seconds: (performance.now() - start) / 1000 }, output);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Without this, tests that fail anyway would catch everything. */
async function assertSoundBaseline(): Promise<void> {
  const folder = await scratchCopy();
  try {
    const run = await runTests(folder);
    if (!run.passed) throw new Error(`the tests fail without any mutant:\n${run.output}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean" }, only: { type: "string" } } });
  const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) throw new Error(`there is no mutant "${values.only}"`);
  await assertSoundBaseline();
  const outcomes: Outcome[] = [];
  const report = (outcome: Outcome, output: string) => {
    outcomes.push(outcome);
    if (values.json) console.log(JSON.stringify(outcome));
    else console.log(`${outcome.verdict.padEnd(16)} ${outcome.name} (${outcome.seconds.toFixed(1)} s)`);
    if (values.only !== undefined && !values.json) console.log(output);
  };
  const queue = [...chosen];
  await Promise.all(Array.from({ length: WORKERS }, () => work(queue, report)));
  const bad = outcomes.filter(({ verdict }) => verdict !== "caught");
  if (!values.json)
    console.log(`${outcomes.length - bad.length} of ${outcomes.length} mutants of the core caught`);
  if (bad.length > 0) process.exitCode = 1;
}

await main();

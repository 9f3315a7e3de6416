import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Copies at work at once: two of them fill the smallest machine that runs this. */
const DEFAULT_JOBS = "2";

/** One way to break the code: in `file`, the only occurrence of `find` becomes `replace`. */
export interface Mutant {
  readonly name: string;
  /** The number of the promise that it breaks, where they are numbered. */
  readonly property?: number;
  /** Below the suite's folder. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface TestRun {
  /** Null: it took too long and was ended. */
  readonly code: number | null;
  readonly output: string;
}

/** `broken`: the mutant proves nothing, because it does not apply or is no program. */
export interface Verdict {
  readonly verdict: "caught" | "survived" | "broken";
  /** The test that failed, or why the mutant is broken. */
  readonly by: string;
}

/** What is broken on purpose, and which tests have to notice. */
export interface Suite {
  readonly what: string;
  readonly mutants: readonly Mutant[];
  /** Where the mutants' files are. */
  readonly folder: string;
  /** What a scratch copy needs of the repository beside its packages. */
  readonly copied: readonly string[];
  /** Makes a fresh copy fit for its first run. */
  readonly prepare?: (copy: string) => Promise<void>;
  /** Runs the tests in a copy; the first run of each is of the unchanged code and may have to compile all of it. */
  readonly test: (copy: string, isFirst: boolean) => Promise<TestRun>;
  readonly judge: (run: TestRun) => Verdict;
}

/** Runs Node in `cwd`, with `env` beside our own environment, for at most `patienceMs`. */
export function runNode(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  patienceMs: number,
): Promise<TestRun> {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio: [...stdio] });
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const patience = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(patience);
      resolve({ code, output });
    });
  });
}

/** What a run of vitest that ends with the first failure says of a mutant. */
export function judgeVitest({ code, output }: TestRun): Verdict {
  if (code === 0) return { verdict: "survived", by: "" };
  if (code === null) return { verdict: "caught", by: "its tests hang" };
  // A mutant that is no program proves nothing.
  if (/SyntaxError|Transform failed|PARSE_ERROR/.test(output)) {
    return { verdict: "broken", by: "does not compile" };
  }
  return { verdict: "caught", by: /^ *FAIL +(?:\|\w+\| +)?(.+)$/m.exec(output)?.[1] ?? "a test" };
}

/** A project of its own that shares nothing that tests or builds write. */
async function scratchCopy({ copied, prepare }: Suite): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "rivulet-mutants-"));
  for (const path of copied) await cp(join(ROOT, path), join(copy, path), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  await prepare?.(copy);
  return copy;
}

async function tryMutant(suite: Suite, mutant: Mutant, copy: string): Promise<Verdict & { output: string }> {
  const path = join(copy, suite.folder, mutant.file);
  const source = await readFile(path, "utf8");
  if (source.split(mutant.find).length !== 2) {
    return { verdict: "broken", by: "its text is not there exactly once", output: "" };
  }
  const broken = source.replace(mutant.find, () => mutant.replace);
  try {
    await writeFile(path, broken);
    const run = await suite.test(copy, false);
    return { ...suite.judge(run), output: run.output };
  } finally {
    await writeFile(path, source);
  }
}

/** One worker: takes mutants from `queue` until there are none. Throws if the tests fail without any. */
async function work(suite: Suite, queue: Mutant[], say: (outcome: Outcome) => void): Promise<void> {
  const copy = await scratchCopy(suite);
  try {
    // Without this, tests that fail anyway would catch everything.
    const clean = await suite.test(copy, true);
    if (clean.code !== 0) throw new Error(`the tests of ${suite.what} fail unchanged:\n${clean.output}`);
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const start = performance.now();
      const tried = await tryMutant(suite, mutant, copy);
      const { name, property } = mutant;
      say({ name, property, ...tried, seconds: Math.round((performance.now() - start) / 1000) });
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

interface Outcome extends Verdict {
  readonly name: string;
  readonly property: number | undefined;
  readonly seconds: number;
  readonly output: string;
}

/**
 * Tries the suite's mutants, each in a scratch copy, as the command line asks: `--only <part of a name>` (with one
 * match its tests' output is shown), `--json` (one line per mutant), `--jobs N`. Sets the exit code: 1 if one survives,
 * 2 if one is broken.
 */
export async function tryMutants(suite: Suite): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      only: { type: "string", default: "" },
      jobs: { type: "string", default: DEFAULT_JOBS },
    },
  });
  const queue = suite.mutants.filter(({ name }) => name.includes(values.only));
  const count = queue.length;
  const counts = { caught: 0, survived: 0, broken: 0 };
  const say = ({ output, ...outcome }: Outcome) => {
    counts[outcome.verdict]++;
    const { verdict, seconds, name, by } = outcome;
    const line = `${verdict.padEnd(9)} ${String(seconds).padStart(4)} s  ${name}${by === "" ? "" : `  [${by}]`}`;
    process.stdout.write(`${values.json ? JSON.stringify(outcome) : line}\n`);
    if (count === 1 && !values.json) process.stdout.write(output);
  };
  const jobs = Math.max(1, Math.min(Number(values.jobs), count));
  if (count > 0) await Promise.all(Array.from({ length: jobs }, () => work(suite, queue, say)));
  const { caught, survived, broken } = counts;
  process.stderr.write(
    `${suite.what}: ${caught} of ${count} mutants caught, ${survived} survived, ${broken} broken\n`,
  );
  if (broken > 0) process.exitCode = 2;
  else if (survived > 0) process.exitCode = 1;
}

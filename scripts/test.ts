// Runs the tests and leaves their real totals in .bootstrap/reports/totals, one line per part:
//   node scripts/test.ts              the Solidity tests, then all of vitest
//   node scripts/test.ts --solidity   the Solidity tests alone
//   node scripts/test.ts <args…>      vitest with these arguments alone, for example a folder
import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import hre from "hardhat";

const REPORTS = new URL("../.bootstrap/reports/", import.meta.url);
const VITEST_REPORT = new URL("vitest.json", REPORTS);

interface Totals {
  readonly part: string;
  readonly passed: number;
  readonly failed: number;
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** A part that failed without naming a test, or that ran none, counts as one failure. */
function atLeastOneFailure(totals: Totals, ok: boolean): Totals {
  const ran = totals.passed + totals.failed > 0;
  return totals.failed === 0 && !(ok && ran) ? { ...totals, failed: 1 } : totals;
}

/** The part of Hardhat's result that we count: the task's own type for it is unknown. */
interface SolidityRun {
  readonly suiteResults: readonly {
    readonly testResults: readonly { readonly status: "Success" | "Failure" | "Skipped" }[];
  }[];
}

async function runSolidity(): Promise<Totals> {
  const result = (await hre.tasks.getTask(["test", "solidity"]).run({})) as {
    readonly success: boolean;
    readonly value?: SolidityRun;
    readonly error?: SolidityRun;
  };
  const run = result.value ?? result.error;
  const tests = run?.suiteResults.flatMap(({ testResults }) => testResults) ?? [];
  const passed = tests.filter(({ status }) => status === "Success").length;
  // A skipped test proves nothing: it counts as failed.
  return atLeastOneFailure({ part: "solidity", passed, failed: tests.length - passed }, result.success);
}

/** Runs a command with our streams; resolves to whether it ended with exit code 0. */
function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}

async function runVitest(args: readonly string[]): Promise<Totals> {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${VITEST_REPORT.pathname}`];
  const ok = await succeeds("vitest", ["run", ...reporters, ...args]);
  const report = await readFile(VITEST_REPORT, "utf8").then(
    (text) => JSON.parse(text) as VitestReport,
    () => undefined,
  );
  if (report === undefined) return { part: "vitest", passed: 0, failed: 1 };
  // A file that breaks before its first test has no failed test, yet it failed.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  ).length;
  const skipped = report.numPendingTests + report.numTodoTests;
  const failed = report.numFailedTests + brokenFiles + skipped;
  return atLeastOneFailure({ part: "vitest", passed: report.numPassedTests, failed }, ok);
}

async function main(args: readonly string[]): Promise<void> {
  // Totals of an earlier run must never pass for those of this one.
  await rm(REPORTS, { recursive: true, force: true });
  await mkdir(REPORTS, { recursive: true });
  const totals: Totals[] = [];
  if (args.length === 0 || args[0] === "--solidity") totals.push(await runSolidity());
  if (args[0] !== "--solidity") totals.push(await runVitest(args));
  const lines = totals.map(({ part, passed, failed }) => `${part} ${passed} ${failed}\n`);
  await writeFile(new URL("totals", REPORTS), lines.join(""));
  for (const { part, passed, failed } of totals)
    console.error(`${part}: ${passed} passed, ${failed} failed or skipped`);
  process.exitCode = totals.some(({ failed }) => failed > 0) ? 1 : 0;
}

await main(process.argv.slice(2));

// Breaks what stands between a payer and its money in every way that is listed and fails unless the tests notice each:
//   node scripts/mutants-spending.ts [--only <part of a name>] [--json] [--jobs N]
import { join } from "node:path";
import { judgeVitest, ROOT, runNode, type TestRun, tryMutants } from "./lib/mutants.ts";
import { MUTANTS } from "./mutants-spending.list.ts";

/** Real chains and nodes start anew in each file. */
const PATIENCE_MS = 300_000;

/** The quick ones first; the run ends with the first that fails. */
const GROUPS: readonly (readonly string[])[] = [
  ["test/node/limits/account.test.ts", "test/node/limits/window.test.ts"],
  ["test/node/limits", "test/node/twoNodes.test.ts"],
  [
    "test/api/paying.test.ts",
    "test/api/daemon.test.ts",
    "test/api/accessTokensApi.test.ts",
    "test/api/send.test.ts",
    "test/node/sends.test.ts",
    "test/node/requests.test.ts",
    "test/node/requestThieves.test.ts",
  ],
];

async function test(copy: string): Promise<TestRun> {
  let run: TestRun | undefined;
  for (const group of GROUPS) {
    const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
    const args = [
      vitest,
      "run",
      "--project",
      "unit",
      ...group,
      "--bail=1",
      "--maxWorkers=1",
      "--reporter=dot",
    ];
    run = await runNode(args, copy, { NO_COLOR: "1" }, PATIENCE_MS);
    if (run.code !== 0) break;
  }
  return run!;
}

await tryMutants({
  what: "spending",
  mutants: MUTANTS,
  folder: "src",
  // Tests that kill a process start what was built: there nothing is broken.
  copied: [
    "src",
    "dist",
    "test",
    "contracts",
    "artifacts",
    "package.json",
    "hardhat.config.ts",
    "vitest.config.ts",
  ],
  test,
  judge: judgeVitest,
});

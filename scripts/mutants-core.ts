// Breaks src/protocol in every way that is listed and fails unless test/protocol notices each:
//   node scripts/mutants-core.ts [--only <part of a name>] [--json] [--jobs N]
import { join } from "node:path";
import { judgeVitest, ROOT, runNode, type TestRun, tryMutants } from "./lib/mutants.ts";
import { MUTANTS } from "./mutants-core.list.ts";

/** A run takes seconds; a mutant that makes it hang has been noticed. */
const PATIENCE_MS = 120_000;
/** The properties need not search for long: each mutant breaks what many histories touch. */
const HISTORIES = "0.25";
/** Always the same histories, so that a mutant that is caught today is caught tomorrow. */
const SEED = "20260401";

/** Until the first test fails: the quick ones before the properties. */
async function test(copy: string): Promise<TestRun> {
  const quick = await runVitest(copy, ["test/protocol", "--exclude=**/*.property.test.ts"]);
  return quick.code === 0 ? runVitest(copy, ["property.test"]) : quick;
}

function runVitest(copy: string, which: readonly string[]): Promise<TestRun> {
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", ...which, "--bail=1", "--maxWorkers=1", "--reporter=dot"];
  return runNode(args, copy, { RIVULET_RUNS: HISTORIES, RIVULET_SEED: SEED, NO_COLOR: "1" }, PATIENCE_MS);
}

await tryMutants({
  what: "the core",
  mutants: MUTANTS,
  folder: "src/protocol",
  copied: ["src/protocol", "src/crypto", "test/protocol", "test/vectors", "package.json", "vitest.config.ts"],
  test,
  judge: judgeVitest,
});

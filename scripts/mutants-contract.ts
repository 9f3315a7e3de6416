// Breaks the escrow in every way that is listed and fails unless the Solidity tests notice each:
//   node scripts/mutants-contract.ts [--only <part of a name>] [--json] [--jobs N]
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, runNode, type TestRun, tryMutants, type Verdict } from "./lib/mutants.ts";
import { MUTANTS } from "./mutants-contract.list.ts";

const PATIENCE_MS = 300_000;
/** The first run of a copy may have to compile everything. */
const FIRST_PATIENCE_MS = 900_000;

/** The compiler's cache names files by their absolute paths. Without this all would be compiled anew, no worse. */
async function prepare(copy: string): Promise<void> {
  const cache = join(copy, "cache", "compile-cache.json");
  await writeFile(cache, (await readFile(cache, "utf8")).replaceAll(ROOT, `${copy}/`));
}

function test(copy: string, isFirst: boolean): Promise<TestRun> {
  const hardhat = join(copy, "node_modules", "hardhat", "dist", "src", "cli.js");
  const env = { ESCROW_FUZZ_RUNS: "48", ESCROW_INVARIANT_RUNS: "2", NO_COLOR: "1", CI: "1" };
  return runNode([hardhat, "test", "solidity"], copy, env, isFirst ? FIRST_PATIENCE_MS : PATIENCE_MS);
}

function judge({ code, output }: TestRun): Verdict {
  if (code === null) return { verdict: "broken", by: "timed out" };
  if (!/Running Solidity tests/.test(output)) return { verdict: "broken", by: "does not compile" };
  if (code === 0) return { verdict: "survived", by: "" };
  return { verdict: "caught", by: /^\s+1\) (\S+#\S+)/m.exec(output)?.[1] ?? "a test" };
}

await tryMutants({
  what: "the escrow",
  mutants: MUTANTS,
  folder: "",
  copied: [
    "contracts",
    "test/vectors",
    "artifacts",
    "cache",
    "hardhat.config.ts",
    "package.json",
    "tsconfig.json",
  ],
  prepare,
  test,
  judge,
});

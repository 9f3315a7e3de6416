import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Rows to measure; all if empty. */
  readonly only: readonly string[];
  readonly runs: number;
  /** Short runs over few channels that only check that everything works; their numbers mean nothing. */
  readonly quick: boolean;
  readonly json: boolean;
  /** Where databases are made: a real disk. */
  readonly directory: string;
  /** Where every process writes a CPU profile when it ends. */
  readonly profile: string | undefined;
}

export const USAGE = `usage: npm run bench -- [--only <name>]... [--runs <n>] [--quick] [--json]
                     [--directory <dir>] [--profile <dir>]

  --only <name>       measure this row alone; may be repeated
  --runs <n>          measure each row so often and give the median (default 1)
  --quick             a short run that only checks that everything works
  --json              one JSON array of rows on standard output and nothing else
  --directory <dir>   where the databases are made (default: the system's temporary directory)
  --profile <dir>     write a CPU profile of every process there`;

/** Reads the command line. Throws with an explanation on what it does not know. */
export function parseOptions(args: readonly string[], names: readonly string[]): BenchOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true, default: [] },
      runs: { type: "string", default: "1" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      directory: { type: "string", default: tmpdir() },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no row ${unknown}; there are ${names.join(", ")}`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs wants a whole number from 1");
  const { only, quick, json, directory, profile } = values;
  return { only, runs, quick, json, directory, profile };
}

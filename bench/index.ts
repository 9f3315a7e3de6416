// The benchmark: `npm run bench`. What it measures and how to read it is in README.md.
import { availableParallelism } from "node:os";
import { apiPay } from "./apiPayRow.ts";
import { measureBaseline } from "./baseline.ts";
import { memory, restart } from "./idleRows.ts";
import { payMany } from "./manyRow.ts";
import { type BenchOptions, parseOptions, USAGE } from "./options.ts";
import { payDuplex, paySequential, paySigned, payStream } from "./payRows.ts";
import { type Measured, type Row, rowOf, table } from "./row.ts";

const MEASUREMENTS: Readonly<Record<string, (options: BenchOptions) => Promise<readonly Measured[]>>> = {
  "pay-sequential": paySequential,
  "pay-signed": paySigned,
  "pay-stream": payStream,
  "pay-duplex": payDuplex,
  "pay-many": payMany,
  restart,
  memory,
  "api-pay": apiPay,
};

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function measureAll(options: BenchOptions): Promise<Row[]> {
  const baseline = await measureBaseline(options.directory, availableParallelism());
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(MEASUREMENTS)) {
    if (options.only.length > 0 && !options.only.includes(name)) continue;
    say(`${name} …`);
    const started = performance.now();
    for (const measured of await measure(options)) {
      const row = rowOf(measured, { runs: options.runs, quick: options.quick, ...baseline });
      say(`${row.name} ${row.value} ${row.unit}`);
      rows.push(row);
    }
    say(`${name} took ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  return rows;
}

async function main(): Promise<void> {
  // What is to be tidied up is, on exit.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const options = parseOptions(process.argv.slice(2), Object.keys(MEASUREMENTS));
  if (options === "help") {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const rows = await measureAll(options);
  process.stdout.write(`${options.json ? JSON.stringify(rows, undefined, 2) : table(rows)}\n`);
}

main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});

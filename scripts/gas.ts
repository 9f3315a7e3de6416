// Measures the escrow's gas from receipts on Hardhat's chain.
//   node scripts/gas.ts            prints the table beside the committed snapshot and the budget
//   node scripts/gas.ts --json     prints one JSON array of rows, and nothing else
//   node scripts/gas.ts --write    writes the snapshot; commit it with the reason for the change
import { readFile, writeFile } from "node:fs/promises";
import { deployFixture } from "../test/contracts/support/fixture.ts";
import { GAS_MUST, type GasTable, measureGas } from "../test/contracts/support/gasScenarios.ts";
import { startHardhat } from "../test/contracts/support/testChain.ts";

const SNAPSHOT = new URL("../test/contracts/gas.snapshot.json", import.meta.url);

async function measure(): Promise<GasTable> {
  const chain = await startHardhat();
  try {
    return await measureGas(await deployFixture(chain));
  } finally {
    await chain.stop();
  }
}

async function committed(): Promise<GasTable> {
  return JSON.parse(await readFile(SNAPSHOT, "utf8")) as GasTable;
}

const gas = await measure();
if (process.argv.includes("--write")) {
  await writeFile(SNAPSHOT, `${JSON.stringify(gas, null, 2)}\n`);
} else if (process.argv.includes("--json")) {
  const rows = Object.entries(gas).map(([name, value]) => ({
    name,
    value,
    unit: "gas",
    must: GAS_MUST[name] ?? null,
  }));
  process.stdout.write(`${JSON.stringify(rows)}\n`);
} else {
  const before = await committed();
  for (const [name, value] of Object.entries(gas)) {
    const change = value - (before[name] ?? value);
    const must = GAS_MUST[name] === undefined ? "" : `  must ${GAS_MUST[name]}`;
    process.stdout.write(
      `${name.padEnd(60)} ${String(value).padStart(9)}  ${change === 0 ? "" : change}${must}\n`,
    );
  }
}

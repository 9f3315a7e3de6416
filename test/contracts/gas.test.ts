import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deployFixture } from "./support/fixture.ts";
import { GAS_MUST, type GasTable, measureGas } from "./support/gasScenarios.ts";
import { startHardhat, type TestChain } from "./support/testChain.ts";

describe("the escrow's gas, from receipts", () => {
  let chain: TestChain;
  let gas: GasTable;

  beforeAll(async () => {
    chain = await startHardhat();
    gas = await measureGas(await deployFixture(chain));
  }, 60_000);

  afterAll(() => chain.stop());

  it.each(Object.entries(GAS_MUST))("%s stays within its budget of %d", (operation, must) => {
    expect(gas[operation]).toBeLessThanOrEqual(must);
  });

  it("is what was committed; after an intended change run: node scripts/gas.ts --write", async () => {
    const snapshot = await readFile(new URL("gas.snapshot.json", import.meta.url), "utf8");
    expect(gas).toEqual(JSON.parse(snapshot));
  });
});

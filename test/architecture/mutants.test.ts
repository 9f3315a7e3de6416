import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Mutant } from "../../scripts/lib/mutants.ts";
import { MUTANTS as CONTRACT } from "../../scripts/mutants-contract.list.ts";
import { MUTANTS as CORE } from "../../scripts/mutants-core.list.ts";
import { MUTANTS as SPENDING } from "../../scripts/mutants-spending.list.ts";

const LISTS: readonly (readonly [name: string, folder: string, mutants: readonly Mutant[]])[] = [
  ["contract", "", CONTRACT],
  ["core", "src/protocol", CORE],
  ["spending", "src", SPENDING],
];

describe.each(LISTS)("the list of mutants of the %s", (_, folder, mutants) => {
  it("names each mutant once, and breaks text that occurs once in the code of today", () => {
    const stale = mutants.filter(({ file, find, replace }) => {
      const parts = readFileSync(join(folder, file), "utf8").split(find);
      return parts.length !== 2 || find === replace;
    });
    expect(stale.map(({ name }) => name)).toEqual([]);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });
});

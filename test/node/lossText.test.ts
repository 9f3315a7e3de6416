import { expect, it } from "vitest";
import { lossText } from "../../src/node/recovery.ts";

it("a loss is told with what was found, and at later starts as one that is not over", () => {
  expect(lossText(["a log is short", "a table is gone"])).toBe(
    "the database lost data (a log is short; a table is gone)",
  );
  expect(lossText([])).toMatch(/^the database lost data before this start, [^()]*$/);
});

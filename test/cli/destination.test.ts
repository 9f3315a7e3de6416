import { describe, expect, it } from "vitest";
import { parseDestination } from "../../src/cli/destination.ts";

const SHOWN = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

describe("where money goes", () => {
  it.each([SHOWN, SHOWN.toLowerCase()])("is shown with its checksum: %s", async (typed) => {
    expect(await parseDestination(typed)).toEqual({ to: SHOWN.toLowerCase(), shown: SHOWN });
  });

  it.each([
    ["a letter's case", SHOWN.replace("aA", "AA")],
    ["a digit that is missing", SHOWN.slice(0, -1)],
    ["a name", "alice"],
  ])("is refused for %s, and named as it was typed", async (_, typed) => {
    const refusal = { exitCode: 2, action: "Copy it whole.", message: expect.stringContaining(`"${typed}"`) };
    await expect(parseDestination(typed)).rejects.toMatchObject(refusal);
  });
});

import { describe, expect, it } from "vitest";
import { budgetLines } from "../../src/cli/budgetText.ts";
import type { AccessToken } from "../../src/client/index.ts";

const A = "0x00000000000000000000000000000000000000aa";
const B = "0x00000000000000000000000000000000000000bb";
const tokens = { show: async (amount: bigint | string, token: string) => `${amount} ${token.slice(-2)}` };
const linesOf = (token: object) =>
  budgetLines(tokens, { scopes: ["pay"], spent: [], ...token } as unknown as AccessToken);

describe("what an access token may spend", () => {
  it("is told to the last base unit, with what is left of each cap", async () => {
    const budgets = [
      { token: A, perPayment: "5", perDay: "10000000000000000000001", total: "20000000000000000000000" },
      { token: B, perHour: "3" },
    ];
    const spent = [
      {
        token: A,
        hour: "1",
        day: "10000000000000000000000",
        month: "10000000000000000000000",
        total: "10000000000000000000000",
      },
      { token: B, hour: "4", day: "4", month: "4", total: "4" },
    ];
    expect(await linesOf({ budgets, spent })).toEqual([
      "5 aa per payment",
      "10000000000000000000001 aa per day, 1 aa left",
      "20000000000000000000000 aa total, 10000000000000000000000 aa left",
      "3 bb per hour, 0 bb left",
    ]);
  });

  it("is everything, nothing, or the parent's, where there are no caps", async () => {
    expect(await linesOf({})).toEqual(["everything"]);
    expect(await linesOf({ scopes: ["admin"] })).toEqual(["everything"]);
    expect(await linesOf({ parent: "p" })).toEqual(["what its parent may"]);
    expect(await linesOf({ budgets: [] })).toEqual(["nothing"]);
    expect(await linesOf({ budgets: [{ token: A }] })).toEqual([`any amount of ${A}`]);
    expect(await linesOf({ scopes: ["read"] })).toEqual([]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { displayText } from "../../src/chain/displayText.ts";

describe("a stranger's text", () => {
  it.each([
    ["USDC", "USDC"],
    ["USD₮0", "USD₮0"],
    ["Łódź", "Łódź"],
    ["e\u0301", "é"],
    ["  two \t\n words  ", "two words"],
    ["\u001b[31mred\u001b[0m", "[31mred[0m"],
    ["US\u202eCDSU\u202c", "USCDSU"],
    ["U\u200bS\u2060D\ufeffC", "USDC"],
    ["U\u3164S\u115fD\u2800C", "USDC"],
    ["Z\u0363\u0364\u0365algo", "Zalgo"],
    ["\ud800lone", "lone"],
    ["\u202e\u200b\u0000", ""],
    ["x".repeat(1_000_000), "x".repeat(32)],
    ["😀".repeat(40), "😀".repeat(32)],
  ])("%j is shown as %j", (text, shown) => {
    expect(displayText(text, 32)).toBe(shown);
  });

  it("has no control, direction or invisible character left, whatever it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 40 }), (text, most) => {
        const shown = displayText(text, most);
        expect([...shown].length).toBeLessThanOrEqual(most);
        expect(shown).not.toMatch(/[\p{C}\p{M}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
        expect(shown).toBe(shown.trim());
      }),
    );
  });
});

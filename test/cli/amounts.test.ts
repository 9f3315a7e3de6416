import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatUnits, parseUnits, splitAmount, Tokens } from "../../src/cli/amounts.ts";
import { parseBudgets } from "../../src/cli/commands/token.ts";
import { safe, short, spanText } from "../../src/cli/text.ts";
import { parseSpan, parseTime } from "../../src/cli/when.ts";
import type { RivuletClient } from "../../src/client/client.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";

const unit = (decimals: number) => ({ token: ZERO_ADDRESS, symbol: "TST", decimals });

describe("amounts", () => {
  it("come back as they were written, whatever their size and the token's decimals", () => {
    const amount = fc.bigInt({ min: 0n, max: 2n ** 130n });
    fc.assert(
      fc.property(amount, fc.integer({ min: 0, max: 77 }), (value, decimals) => {
        expect(parseUnits(formatUnits(value, decimals), unit(decimals))).toBe(value);
      }),
    );
  });

  it.each([
    ["0.25", 6, 250_000n],
    ["12", 0, 12n],
    ["0.000000000000000001", 18, 1n],
    ["340282366920938463463374607431768211455", 0, 2n ** 128n - 1n],
  ])("%s of a token with %d decimals is exact", (text, decimals, value) => {
    expect(parseUnits(text, unit(decimals))).toBe(value);
  });

  it.each(["", ".5", "5.", "1e3", "-1", "+1", "1,5", "0x10", "01", "1 000", "٣"])("%j is none", (text) => {
    expect(() => parseUnits(text, unit(6))).toThrow("no amount");
  });

  it("with more digits than the token has are refused, never rounded", () => {
    expect(() => parseUnits("0.0000001", unit(6))).toThrow("has 6 decimals");
  });

  it("may be written with and without a space before the token", () => {
    expect(splitAmount("0.25 USDC")).toEqual({ number: "0.25", symbol: "USDC" });
    expect(splitAmount("0.25USDC")).toEqual({ number: "0.25", symbol: "USDC" });
    expect(splitAmount("0.25")).toEqual({ number: "0.25", symbol: undefined });
    expect(splitAmount("2 USDT0")).toEqual({ number: "2", symbol: "USDT0" });
  });

  it("are refused as amounts, not for a token nobody meant, when the number is written wrong", () => {
    for (const text of ["1e3", "0x10 ETH", "1,5 USDC", "-1 ETH", "1_000 ETH", "ETH", "", "\u0661 ETH"])
      expect(() => splitAmount(text)).toThrow("is no amount");
  });
});

const USDC = `0x${"a".repeat(40)}`;
const FAKE = `0x${"b".repeat(40)}`;
const TWIN = `0x${"c".repeat(40)}`;
const OTHER = `0x${"d".repeat(40)}`;

/** A node on a chain without known tokens, with channels in tokens that call themselves what they like. */
function tokensOf(symbols: Readonly<Record<string, string>>): Tokens {
  const client = {
    status: async () => ({ nativeSymbol: "ETH", chainId: "424242" }),
    channels: async () => ({ items: Object.keys(symbols).map((token) => ({ token })) }),
    token: async ({ params }: { params: { token: string } }) => ({
      token: params.token,
      symbol: params.token === ZERO_ADDRESS ? "ETH" : symbols[params.token]!,
      decimals: 6,
      balance: "0",
    }),
  };
  return new Tokens(client as unknown as RivuletClient);
}

describe("a token's symbol", () => {
  it("names the token while only one of the channels' tokens bears it", async () => {
    const tokens = tokensOf({ [USDC]: "USDC", [OTHER]: "XYZ" });
    expect(await tokens.parse("1.5 usdc")).toMatchObject({ amount: 1_500_000n, unit: { token: USDC } });
    expect((await tokens.parse("1 ETH")).unit.token).toBe(ZERO_ADDRESS);
  });

  it("that is the coin's is shown with the address, and never taken for the coin", async () => {
    const tokens = tokensOf({ [FAKE]: "ETH" });
    expect((await tokens.parse("1 ETH")).unit.token).toBe(ZERO_ADDRESS);
    expect(await tokens.show("1000000", FAKE)).toBe(`1 [ETH](${FAKE})`);
  });

  it.each(["000 USDC", "USD\u0421", "", "9"])(
    "%j is shown with the address: it would be read as something else",
    async (symbol) => {
      expect(await tokensOf({ [FAKE]: symbol }).show("1000000", FAKE)).toBe(`1 [${symbol}](${FAKE})`);
    },
  );

  it("that two tokens bear names neither", async () => {
    const tokens = tokensOf({ [USDC]: "USDC", [TWIN]: "usdc" });
    await expect(tokens.parse("1 USDC")).rejects.toThrow("no token is known");
    expect((await tokens.parse(`1 ${TWIN}`)).unit.token).toBe(TWIN);
  });

  it("of another token is refused where the token is given", async () => {
    const tokens = tokensOf({ [USDC]: "USDC", [OTHER]: "XYZ" });
    expect((await tokens.parse("1", USDC)).amount).toBe(1_000_000n);
    expect((await tokens.parse("1 USDC", USDC)).amount).toBe(1_000_000n);
    await expect(tokens.parse("1 XYZ", USDC)).rejects.toThrow("this is about USDC");
    await expect(tokens.parse("1 ETH", USDC)).rejects.toThrow("this is about USDC");
    await expect(tokens.parse("0 USDC")).rejects.toThrow("above zero");
    await expect(tokens.parse(`${2n ** 128n} USDC`)).rejects.toThrow("more than a channel");
  });
});

describe("budgets", () => {
  it("are one per token, and each period once", async () => {
    const tokens = tokensOf({ [USDC]: "USDC" });
    expect(await parseBudgets(tokens, ["5 USDC per day", "100 USDC total", "1 ETH per payment"])).toEqual([
      { token: USDC, perDay: "5000000", total: "100000000" },
      { token: ZERO_ADDRESS, perPayment: "1000000" },
    ]);
    await expect(parseBudgets(tokens, ["5 USDC per day", "6 USDC per day"])).rejects.toThrow("two budgets");
    await expect(parseBudgets(tokens, ["5 USDC per year"])).rejects.toThrow("no budget");
  });
});

describe("what people read and write", () => {
  it("spans and dates", () => {
    expect(["90s", "15min", "12h", "30d", "2w"].map(parseSpan)).toEqual([
      90, 900, 43_200, 2_592_000, 1_209_600,
    ]);
    for (const text of ["", "15", "0d", "-1h", "1 year"]) expect(() => parseSpan(text)).toThrow("no span");
    expect(parseTime("2026-03-01T00:00:00Z")).toBe(1_772_323_200);
    expect(parseTime("2026-03-01")).toBe(new Date(2026, 2, 1).getTime() / 1000);
    for (const text of ["yesterday", "1772323200"]) expect(() => parseTime(text)).toThrow("no date");
    expect([0, 59, 60, 3_725, 90_000].map(spanText)).toEqual([
      "0 s",
      "59 s",
      "1 min",
      "1 h 2 min",
      "1 d 1 h",
    ]);
  });

  it("strangers' text without what a terminal would obey", () => {
    expect(safe("a\u001b[2Jb\u202ec\u200bd\n")).toBe("a�[2Jb�c�d�");
    expect(short(`0x${"12".repeat(20)}`)).toBe("0x121212…1212");
  });
});

import { describe, expect, it } from "vitest";
import { costOf } from "../../../scripts/demo/cost.ts";
import { amount, dollars, duration, grouped } from "../../../scripts/demo/format.ts";
import { parseOptions, UsageError } from "../../../scripts/demo/options.ts";
import { planOf } from "../../../scripts/demo/plan.ts";

describe("the demo's options", () => {
  it("default to 100,000 payments, a gwei and 3,000 dollars", () => {
    expect(parseOptions([])).toEqual({
      payments: 100_000,
      json: false,
      keep: false,
      prices: { gasPrice: 10n ** 9n, etherPrice: 3_000_000_000n },
    });
  });

  it("are read", () => {
    const options = parseOptions([
      "--payments",
      "2_000",
      "--json",
      "--keep",
      "--gas-price=0.05",
      "--eth-price=2500.5",
    ]);
    expect(options).toEqual({
      payments: 2_000,
      json: true,
      keep: true,
      prices: { gasPrice: 50_000_000n, etherPrice: 2_500_500_000n },
    });
  });

  it.each([["--help"], ["-h"]])("ask for help with %s", (flag) => {
    expect(parseOptions([flag])).toBeUndefined();
  });

  it.each([
    ["--payments", "ten"],
    ["--payments", "-5"],
    ["--payments", "99"],
    ["--payments", "2000001"],
    ["--payments", "1e5"],
    ["--gas-price", "cheap"],
    ["--eth-price", ""],
    ["--eth-price", "1e3"],
    ["--eth-price", "0.0"],
    ["--colour", "red"],
    ["extra", ""],
  ])("are refused when they are %s %s", (option, value) => {
    expect(() => parseOptions([option, value])).toThrow(UsageError);
  });
});

describe("the plan", () => {
  it.each([100, 2_000, 99_999, 100_001, 2_000_000])(
    "streams exactly the %i payments asked for",
    (payments) => {
      const { stream, single, crash, hidden, mostPerBook } = planOf(payments);
      expect(stream.reduce((sum, count) => sum + count, 0)).toBe(payments);
      expect(mostPerBook).toBe(Math.max(...stream) + single + crash + hidden);
    },
  );
});

describe("the cost of a payment", () => {
  const prices = { gasPrice: 10n ** 9n, etherPrice: 3_000_000_000n };

  it("is the channel's gas over its payments, beside fees on what was paid", () => {
    // 150,000 gas at a gwei are 0.00015 ETH, 45 cents; 1,000 payments of a dollar.
    const cost = costOf({ asset: "token", gas: 150_000n, payments: 1_000, volume: 1_000_000_000n }, prices);
    expect(cost.gasPerPayment).toBe(150_000n);
    expect(dollars(cost.perPayment)).toBe("$0.00045");
    expect(dollars(cost.averagePayment)).toBe("$1");
    expect(cost.share).toBe(45n);
    expect(cost.lowFee.map(dollars)).toEqual(["$0.001", "$0.005"]);
    expect(cost.highFee.map(dollars)).toEqual(["$0.01", "$0.03"]);
  });

  it("values the native coin by its price", () => {
    const cost = costOf({ asset: "native", gas: 1n, payments: 2, volume: 10n ** 18n }, prices);
    expect(dollars(cost.averagePayment)).toBe("$1,500");
  });
});

describe("numbers", () => {
  it("are shown as people read them", () => {
    expect(grouped(1_234_567)).toBe("1,234,567");
    expect(amount(30_000_000n, "token")).toBe("30 RTT");
    expect(amount(1_500_000_000_000_000_001n, "native")).toBe("1.500000000000000001 ETH");
    expect([duration(512), duration(1_512), duration(2_512_000)]).toEqual(["512 µs", "1.5 ms", "2.5 s"]);
    expect(dollars(8_360_000n)).toBe("$0.00000836");
  });
});

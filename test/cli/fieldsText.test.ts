import { describe, expect, it } from "vitest";
import { Tokens } from "../../src/cli/amounts.ts";
import { coinText, fieldsText } from "../../src/cli/fieldsText.ts";
import type { Shell } from "../../src/cli/shell.ts";
import { timeText } from "../../src/cli/text.ts";
import type { RivuletClient } from "../../src/client/client.ts";
import { ApiProblem, Unreachable } from "../../src/client/problem.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";

const USDC = "0x00000000000000000000000000000000000000aa";

function shellOf(token: string | undefined, fails?: Error): Shell {
  const client = {
    status: async () => ({ nativeSymbol: "ETH", chainId: "31337" }),
    token: async ({ params }: { params: { token: string } }) => {
      if (fails !== undefined) throw fails;
      return params.token === ZERO_ADDRESS
        ? { symbol: "ETH", decimals: 18 }
        : { symbol: "FIVE", decimals: 6 };
    },
  } as unknown as RivuletClient;
  return { token, tokens: async () => new Tokens(client) } as unknown as Shell;
}

describe("what the fields of a refusal say", () => {
  it("is in the unit of the token that the command is about, or that the refusal names", async () => {
    const fields = { available: "1500000", needed: "20000001" };
    expect(await fieldsText(shellOf(USDC), "insufficient_capacity", fields)).toBe(
      "available 1.5 FIVE, needed 20.000001 FIVE",
    );
    expect(await fieldsText(shellOf(undefined), "insufficient_capacity", fields)).toBe(
      "available 1500000 base units, needed 20000001 base units",
    );
    expect(
      await fieldsText(shellOf(ZERO_ADDRESS), "wallet_insufficient", { token: USDC, have: "5", need: "6" }),
    ).toBe(`token ${USDC}, have 0.000005 FIVE, need 0.000006 FIVE`);
  });

  it("is in the coin where it is about gas", async () => {
    const fields = { left: "200000000000000000", needed: "1", channels: "3" };
    expect(await fieldsText(shellOf(USDC), "gas_reserve_needed", fields)).toBe(
      "left 0.2 ETH, needed 0.000000000000000001 ETH, channels 3",
    );
  });

  it("tells times and spans as everywhere, and leaves counts and texts", async () => {
    const told = (code: string, fields: Record<string, string>) => fieldsText(shellOf(USDC), code, fields);
    expect(await told("withdrawal_pending", { deadline: "1795937409" })).toBe(
      `deadline ${timeText(1795937409)}`,
    );
    expect(await told("spending_frozen", { since: "1795935087", reason: "1" })).toBe(
      `since ${timeText(1795935087)}, reason 1`,
    );
    expect(await told("request_expired", { expiresAt: "1795935087" })).toBe(
      `expires at ${timeText(1795935087)}`,
    );
    expect(await told("clock_skew", { skew: "-3700", limit: "600" })).toBe("skew -1 h 1 min, limit 10 min");
    expect(await told("peer_away", { waitedSeconds: "30" })).toBe("waited 30 s");
    expect(await told("queue_full", { limit: "1024" })).toBe("limit 1024");
  });

  it("is told also where the node that refused is gone", async () => {
    for (const error of [new Unreachable("http://node", undefined, undefined), new TypeError("x")])
      expect(await fieldsText(shellOf(USDC, error), "amount_invalid", { amount: "7" })).toBe(
        "amount 7 base units",
      );
    expect(
      await fieldsText(
        shellOf(USDC, new ApiProblem({ code: "token_unusable" } as ApiProblem & { type: string })),
        "amount_invalid",
        { amount: "7" },
      ),
    ).toBe(`amount 7 base units of ${USDC}`);
  });
});

it("shows a warning's wei in the chain's coin", async () => {
  const message = "it has 4777000000000000 wei, 1 wei are needed; nonce 5";
  expect(await coinText(shellOf(undefined), message)).toBe(
    "it has 0.004777 ETH, 0.000000000000000001 ETH are needed; nonce 5",
  );
});

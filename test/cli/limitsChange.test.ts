import { describe, expect, it } from "vitest";
import { changed } from "../../src/cli/limitsChange.ts";
import type { LimitsPolicy } from "../../src/client/index.ts";

const USDC = `0x${"11".repeat(20)}` as const;
const COIN = `0x${"00".repeat(20)}` as const;
const PEER = `0x${"ab".repeat(20)}` as const;

const tokens = {
  find: async (name: string) => ({ token: name === "USDC" ? USDC : COIN, symbol: name, decimals: 0 }),
  parse: async (text: string) => {
    const [number, name] = text.split(" ");
    return { amount: BigInt(number!), unit: await tokens.find(name!) };
  },
};

const policy: LimitsPolicy = {
  node: [
    { token: USDC, perHour: "5", perDay: "20" },
    { token: COIN, perHour: "7" },
  ],
  peers: [{ peer: PEER, token: USDC, perHour: "2" }],
  onLimit: "hold",
};

describe("a limit", () => {
  it("is set beside the others", async () => {
    expect(await changed(tokens, policy, { perHour: "6 USDC", perMonth: "9 ETH" })).toEqual({
      ...policy,
      node: [
        { token: USDC, perDay: "20", perHour: "6" },
        { token: COIN, perHour: "7", perMonth: "9" },
      ],
    });
  });

  it("is taken away by itself, and with the last of a token's limits its entry goes", async () => {
    expect(await changed(tokens, policy, { perHour: "none USDC" })).toEqual({
      ...policy,
      node: [
        { token: COIN, perHour: "7" },
        { token: USDC, perDay: "20" },
      ],
    });
    expect((await changed(tokens, policy, { perHour: "None ETH" })).node).toEqual([policy.node[0]]);
  });

  it("of a peer is another than the node's", async () => {
    const next = await changed(tokens, policy, {
      peer: PEER.toUpperCase().replace("0X", "0x"),
      perHour: "none USDC",
    });
    expect(next).toEqual({ ...policy, peers: [] });
  });

  it("that there is not, or in no token, cannot be taken away", async () => {
    await expect(changed(tokens, policy, { perMonth: "none USDC" })).rejects.toThrow("no such limit");
    await expect(changed(tokens, policy, { peer: PEER, perHour: "none ETH" })).rejects.toThrow(
      "no such limit",
    );
    await expect(changed(tokens, policy, { perHour: "none" })).rejects.toThrow("in which token");
  });
});

import { getAddress } from "ethers";
import { describe, expect, it } from "vitest";
import { chainPreset, chainPresets } from "../../src/chain/presets.ts";
import { namedUrls } from "../../src/chain/rpcUrl.ts";

describe("chain presets", () => {
  it.each([
    ["mainnet", 1n],
    ["sepolia", 11155111n],
    ["base", 8453n],
    ["base-sepolia", 84532n],
    ["arbitrum", 42161n],
    ["optimism", 10n],
    ["polygon", 137n],
    ["gnosis", 100n],
    ["hardhat", 31337n],
  ])("finds %s by name, in any case, and by id", (name, chainId) => {
    expect(chainPreset(name)).toMatchObject({ name, chainId });
    expect(chainPreset(name.toUpperCase())).toBe(chainPreset(name));
    expect(chainPreset(chainId)).toBe(chainPreset(name));
    expect(chainPreset(Number(chainId))).toBe(chainPreset(name));
    expect(chainPreset(String(chainId))).toBe(chainPreset(name));
  });

  it("knows other names, and no chain that is none", () => {
    expect(chainPreset("ethereum")?.name).toBe("mainnet");
    for (const unknown of ["", "constructor", "2", -1, "0x1", "mainnet "])
      expect(chainPreset(unknown)).toBeUndefined();
  });

  // With the checksum of EIP-55, so that a mistyped digit is found out.
  it.each([
    ["mainnet", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"],
    ["sepolia", "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238"],
    ["base", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"],
    ["base-sepolia", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"],
    ["arbitrum", "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"],
    ["optimism", "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85"],
    ["polygon", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"],
  ])("names USDC on %s", (name, address) => {
    expect(getAddress(address.toLowerCase())).toBe(address);
    expect(chainPreset(name)!.tokens).toEqual([
      { symbol: "USDC", address: address.toLowerCase(), decimals: 6 },
    ]);
  });

  it("is whole: names and ids once, sane waits, no servers of others", () => {
    const presets = chainPresets();
    expect(new Set(presets.map(({ name }) => name)).size).toBe(presets.length);
    expect(new Set(presets.map(({ chainId }) => chainId)).size).toBe(presets.length);
    for (const { confirmations, blockSeconds, staleAfter, finality, explorer } of presets) {
      expect(confirmations).toBeGreaterThanOrEqual(1);
      expect(finality.length).toBeGreaterThan(20);
      if (staleAfter === "never") continue;
      expect(staleAfter).toBeGreaterThan(10 * blockSeconds);
      // Nobody waits longer than a few minutes for a deposit.
      expect(confirmations * blockSeconds).toBeLessThan(300);
      expect(namedUrls([explorer!])[0]!.url.protocol).toBe("https:");
    }
  });
});

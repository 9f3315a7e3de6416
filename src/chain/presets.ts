import type { Address } from "../protocol/address.ts";

export interface KnownToken {
  readonly symbol: string;
  readonly address: Address;
  readonly decimals: number;
}

/** What is known of a chain beforehand. Servers and the escrow's address are the operator's to choose. */
export interface ChainPreset {
  /** As it is typed in configurations. */
  readonly name: string;
  readonly title: string;
  readonly chainId: bigint;
  readonly nativeSymbol: string;
  /** Mean seconds between blocks. */
  readonly blockSeconds: number;
  /** Blocks until a deposit counts. */
  readonly confirmations: number;
  /** Seconds after which the newest block is too old to pay on; `"never"` where blocks are made on demand. */
  readonly staleAfter: number | "never";
  /** What those confirmations are worth, for people. */
  readonly finality: string;
  readonly tokens: readonly KnownToken[];
  /** A block explorer, for links; undefined where there is none. */
  readonly explorer: string | undefined;
}

const STALE_AFTER = 600;

const ROLLUP =
  "the sequencer's word at once; final once its batch is final on Ethereum, after about 20 minutes. A longer wait guards only against the sequencer";

function usdc(address: string): KnownToken {
  return { symbol: "USDC", address: address.toLowerCase() as Address, decimals: 6 };
}

const PRESETS: readonly ChainPreset[] = [
  {
    name: "mainnet",
    title: "Ethereum",
    chainId: 1n,
    nativeSymbol: "ETH",
    blockSeconds: 12,
    confirmations: 12,
    staleAfter: STALE_AFTER,
    finality:
      "final after two epochs, about 13 minutes; no reorganisation came near 12 blocks since the merge",
    tokens: [usdc("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")],
    explorer: "https://etherscan.io",
  },
  {
    name: "sepolia",
    title: "Sepolia",
    chainId: 11_155_111n,
    nativeSymbol: "ETH",
    blockSeconds: 12,
    confirmations: 6,
    staleAfter: STALE_AFTER,
    finality: "a test chain: final after about 13 minutes while its few validators are up",
    tokens: [usdc("0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238")],
    explorer: "https://sepolia.etherscan.io",
  },
  {
    name: "base",
    title: "Base",
    chainId: 8453n,
    nativeSymbol: "ETH",
    blockSeconds: 2,
    confirmations: 10,
    staleAfter: STALE_AFTER,
    finality: ROLLUP,
    tokens: [usdc("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")],
    explorer: "https://basescan.org",
  },
  {
    name: "base-sepolia",
    title: "Base Sepolia",
    chainId: 84_532n,
    nativeSymbol: "ETH",
    blockSeconds: 2,
    confirmations: 5,
    staleAfter: STALE_AFTER,
    finality: "a test chain: the sequencer's word at once",
    tokens: [usdc("0x036CbD53842c5426634e7929541eC2318f3dCF7e")],
    explorer: "https://sepolia.basescan.org",
  },
  {
    name: "arbitrum",
    title: "Arbitrum One",
    chainId: 42_161n,
    nativeSymbol: "ETH",
    blockSeconds: 0.25,
    confirmations: 80,
    staleAfter: STALE_AFTER,
    finality: ROLLUP,
    tokens: [usdc("0xaf88d065e77c8cC2239327C5EDb3A432268e5831")],
    explorer: "https://arbiscan.io",
  },
  {
    name: "optimism",
    title: "OP Mainnet",
    chainId: 10n,
    nativeSymbol: "ETH",
    blockSeconds: 2,
    confirmations: 10,
    staleAfter: STALE_AFTER,
    finality: ROLLUP,
    tokens: [usdc("0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85")],
    explorer: "https://optimistic.etherscan.io",
  },
  {
    name: "polygon",
    title: "Polygon PoS",
    chainId: 137n,
    nativeSymbol: "POL",
    blockSeconds: 2,
    confirmations: 64,
    staleAfter: STALE_AFTER,
    finality:
      "milestones make blocks final within seconds; reorganisations of dozens of blocks happened before there were any",
    tokens: [usdc("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359")],
    explorer: "https://polygonscan.com",
  },
  {
    name: "gnosis",
    title: "Gnosis",
    chainId: 100n,
    nativeSymbol: "xDAI",
    blockSeconds: 5,
    confirmations: 12,
    staleAfter: STALE_AFTER,
    finality: "final after two epochs, about 3 minutes",
    tokens: [],
    explorer: "https://gnosisscan.io",
  },
  {
    name: "hardhat",
    title: "Development chain",
    chainId: 31_337n,
    nativeSymbol: "ETH",
    blockSeconds: 1,
    confirmations: 1,
    staleAfter: "never",
    finality: "blocks are made on demand, and final unless somebody takes them back",
    tokens: [],
    explorer: undefined,
  },
];

/** Other names people type. */
const ALIASES: Readonly<Record<string, string>> = {
  ethereum: "mainnet",
  "arbitrum-one": "arbitrum",
  "op-mainnet": "optimism",
  anvil: "hardhat",
  localhost: "hardhat",
};

/** All that is known beforehand. */
export function chainPresets(): readonly ChainPreset[] {
  return PRESETS;
}

/** The chain of a name (in any case) or an id (a number, or its decimal digits), or undefined. */
export function chainPreset(nameOrId: string | number | bigint): ChainPreset | undefined {
  const text = String(nameOrId).toLowerCase();
  const name = Object.hasOwn(ALIASES, text) ? ALIASES[text] : text;
  return PRESETS.find((preset) => preset.name === name || String(preset.chainId) === text);
}

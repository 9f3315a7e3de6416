/** A chain's JSON-RPC as EIP-1193 has it: Hardhat's connections, Anvil behind a wrapper, ours. */
export interface Provider {
  // Any: what a method answers is known by whoever calls it.
  // biome-ignore lint/suspicious/noExplicitAny: EIP-1193 leaves it open
  request(call: ProviderCall): Promise<any>;
}

export interface ProviderCall {
  readonly method: string;
  readonly params?: readonly unknown[];
}

/** A number as JSON-RPC writes it. */
export function quantity(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** The newest block's number. */
export async function blockNumber(provider: Provider): Promise<number> {
  return Number(await provider.request({ method: "eth_blockNumber" }));
}

/** The newest block's time, Unix seconds. */
export async function blockTime(provider: Provider, block: "latest" | "pending" = "latest"): Promise<number> {
  const { timestamp } = await provider.request({ method: "eth_getBlockByNumber", params: [block, false] });
  return Number(timestamp);
}

// `rivulet/contracts`: data for applications. It loads no chain library and no node.
import { escrowAddress } from "./generated/escrow.ts";

export { devTokenAbi, devTokenBytecode } from "./generated/devToken.ts";
export { devUsdCoinAbi, devUsdCoinBytecode } from "./generated/devUsdCoin.ts";
/**
 * The escrow's interface, creation code, and the address that follows from its code alone: the same on every chain it
 * is deployed on with Ignition's create2 strategy.
 */
export { escrowAbi, escrowAddress, escrowBytecode } from "./generated/escrow.ts";

/** Where the escrow of a chain is. */
export interface Deployment {
  readonly escrow: `0x${string}`;
  /** The block from which on its events are read. */
  readonly block: number;
}

/** Where the escrow is deployed, by chain id. 31337 is the development network. */
export const deployments: Readonly<Record<number, Deployment>> = {
  31337: { escrow: escrowAddress, block: 0 },
};

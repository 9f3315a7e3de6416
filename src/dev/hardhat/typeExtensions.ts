import type { TestNetwork } from "../testing/testNetwork.ts";

declare module "hardhat/types/network" {
  // The parameter must be declared as Hardhat declares it.
  interface NetworkConnection<ChainTypeT extends ChainType | string = DefaultChainType> {
    /** Rivulet on this chain: escrow, nodes, channels, time. On chains that are not simulated every call is refused. */
    rivulet: TestNetwork;
  }
}

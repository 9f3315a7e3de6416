import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

/** The escrow: no owner, no parameters, so that with the create2 strategy it has one address on every chain. */
export default buildModule("ChannelEscrowModule", (m) => {
  const escrow = m.contract("ChannelEscrow");
  return { escrow };
});

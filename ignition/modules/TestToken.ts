import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

/** A token that anyone may mint: for local chains only. */
export default buildModule("TestTokenModule", (m) => {
  const token = m.contract("TestToken");
  return { token };
});

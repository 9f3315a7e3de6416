import { fileURLToPath } from "node:url";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatIgnitionEthers from "@nomicfoundation/hardhat-ignition-ethers";
import hardhatTypechain from "@nomicfoundation/hardhat-typechain";
import { defineConfig } from "hardhat/config";

export default defineConfig({
  plugins: [hardhatEthers, hardhatIgnitionEthers, hardhatTypechain],
  solidity: {
    version: "0.8.37",
    // The compiler comes from npm, so that a build needs no download.
    path: fileURLToPath(import.meta.resolve("solc/soljson.js")),
    // Solidity tests compile apart, so that a build of the contracts stays quick.
    splitTestsCompilation: true,
    settings: { viaIR: true, optimizer: { enabled: true, runs: 1_000_000 }, evmVersion: "cancun" },
  },
  typechain: { outDir: "src/chain/generated", tsNocheck: false },
  networks: {
    default: { type: "edr-simulated", chainType: "l1" },
  },
});

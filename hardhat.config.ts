import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatIgnitionEthers from "@nomicfoundation/hardhat-ignition-ethers";
import hardhatTypechain from "@nomicfoundation/hardhat-typechain";
import { defineConfig } from "hardhat/config";

const compiler = {
  version: "0.8.37",
  // The compiler comes from npm, so that a build needs no download.
  path: fileURLToPath(import.meta.resolve("solc/soljson.js")),
};

/** As shipped. */
const shipped = { viaIR: true, optimizer: { enabled: true, runs: 1_000_000 }, evmVersion: "cancun" };

/** Tests load the shipped escrow by its artifact, so their own code is compiled for speed of compiling. */
const quick = {
  viaIR: false,
  optimizer: { enabled: false },
  evmVersion: "cancun",
};

const tests = readdirSync(new URL("contracts/test", import.meta.url)).filter((name) => name.endsWith(".t.sol"));

export default defineConfig({
  plugins: [hardhatEthers, hardhatIgnitionEthers, hardhatTypechain],
  solidity: {
    compilers: [{ ...compiler, settings: shipped }],
    overrides: Object.fromEntries(tests.map((name) => [`contracts/test/${name}`, { ...compiler, settings: quick }])),
    splitTestsCompilation: true,
  },
  typechain: { outDir: "src/chain/generated", tsNocheck: false },
  networks: {
    default: { type: "edr-simulated", chainType: "l1" },
  },
});

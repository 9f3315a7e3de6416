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

/** Longer campaigns, other seeds and the mutants' shorter runs are asked for by environment. */
function numberFromEnv(name: string, fallback: number): number {
  const value = process.env[name];
  return value === undefined ? fallback : Number(value);
}

const tests = readdirSync(new URL("contracts/test", import.meta.url), { recursive: true, encoding: "utf8" })
  .map((name) => `contracts/test/${name.replaceAll("\\", "/")}`)
  .filter((name) => name.endsWith(".t.sol") || name.includes("/tokens/"));

const profile = {
  compilers: [{ ...compiler, settings: shipped }],
  overrides: Object.fromEntries(tests.map((name) => [name, { ...compiler, settings: quick }])),
  toolVersionsInBuildInfo: true,
};

export default defineConfig({
  plugins: [hardhatEthers, hardhatIgnitionEthers, hardhatTypechain],
  solidity: {
    // Deployments use the production profile, which would otherwise drop these settings.
    profiles: { default: profile, production: profile },
    splitTestsCompilation: true,
  },
  test: {
    solidity: {
      fsPermissions: { readFile: ["test/vectors/escrow.json"] },
      // A fixed seed, so that a run that reached too little says something about the code and not about luck.
      fuzz: { runs: numberFromEnv("ESCROW_FUZZ_RUNS", 256), seed: process.env.ESCROW_FUZZ_SEED ?? "0x7276" },
      invariant: { runs: numberFromEnv("ESCROW_INVARIANT_RUNS", 12), depth: 256, failOnRevert: true },
    },
  },
  typechain: { outDir: "src/chain/generated", tsNocheck: false },
  networks: {
    default: { type: "edr-simulated", chainType: "l1" },
    /** A chain that runs already, such as anvil or `hardhat node`. */
    local: { type: "http", chainType: "l1", url: process.env.LOCAL_RPC_URL ?? "http://127.0.0.1:8545" },
  },
  ignition: {
    // Any salt will do, but it must never change: the escrow's address follows from it and from the bytecode.
    strategyConfig: {
      create2: { salt: "0x0000000000000000000000000000000000000000000000000000000072767431" },
    },
  },
});

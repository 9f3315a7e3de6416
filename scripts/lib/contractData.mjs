// Writes the contracts' interfaces, code and addresses as TypeScript constants, so that applications need no compiler,
// no chain library and no files beside the modules they import.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { AbiCoder, getCreate2Address, keccak256 } from "ethers";

/** As in hardhat.config.ts: the escrow's address on every chain follows from it. */
const SALT = "0x0000000000000000000000000000000000000000000000000000000072767431";

/** The factory that Ignition's create2 strategy deploys through, at this address on every chain. */
const FACTORY = "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed";

const IGNITION =
  "node_modules/@nomicfoundation/ignition-core/dist/src/internal/execution/strategy/createx-artifact.js";

export const OUTPUT = "src/dev/generated";

function artifact(root, name) {
  return JSON.parse(readFileSync(join(root, `artifacts/contracts/${name}.json`), "utf8"));
}

const header = "// Written by scripts/lib/contractData.mjs from the compiled contracts: do not edit.\n";
const constant = (name, value) => `export const ${name} = ${JSON.stringify(value, null, 2)} as const;\n`;

/** The factory mixes a salt that names no sender with nothing but itself. */
function escrowAddress(bytecode) {
  const salt = keccak256(AbiCoder.defaultAbiCoder().encode(["bytes32"], [SALT]));
  return getCreate2Address(FACTORY, salt, keccak256(bytecode));
}

export async function writeContractData(root) {
  const output = join(root, OUTPUT);
  mkdirSync(output, { recursive: true });
  const write = (name, ...constants) => writeFileSync(join(output, name), header + constants.join(""));
  const escrow = artifact(root, "ChannelEscrow.sol/ChannelEscrow");
  write(
    "escrow.ts",
    constant("escrowAbi", escrow.abi),
    constant("escrowBytecode", escrow.bytecode),
    constant("escrowAddress", escrowAddress(escrow.bytecode)),
  );
  for (const [name, file] of [
    ["devUsdCoin", "DevUsdCoin"],
    ["devToken", "DevToken"],
  ]) {
    const { abi, bytecode } = artifact(root, `dev/${file}.sol/${file}`);
    write(`${name}.ts`, constant(`${name}Abi`, abi), constant(`${name}Bytecode`, bytecode));
  }
  const { presignedTx } = await import(pathToFileURL(join(root, IGNITION)).href);
  write(
    "factory.ts",
    constant("factoryAddress", FACTORY),
    constant("factoryTransaction", presignedTx),
    constant("escrowSalt", SALT),
  );
}

await writeContractData(process.cwd());

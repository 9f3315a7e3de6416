import { Interface } from "ethers/abi";
import { getCreateAddress } from "ethers/address";
import { Wallet } from "ethers/wallet";
import type { Address } from "../../protocol/index.ts";
import { DEPLOYERS, devAccount } from "../accounts.ts";
import { DevError } from "../error.ts";
import { devTokenAbi, devTokenBytecode } from "../generated/devToken.ts";
import { devUsdCoinBytecode } from "../generated/devUsdCoin.ts";
import { escrowAddress, escrowBytecode } from "../generated/escrow.ts";
import { escrowSalt, factoryAddress, factoryTransaction } from "../generated/factory.ts";
import { type Provider, quantity } from "./provider.ts";

/** Whose signature the factory's transaction carries; it pays exactly what that transaction costs. */
const FACTORY_DEPLOYER = "0xeD456e05CaAb11d66C4c797dD6c1D6f9A7F352b5";

/** Wei: 3,000,000 gas at 100 gwei, as that transaction says. */
const FACTORY_COST = 3n * 10n ** 17n;

/** Wei for whoever deploys or mints; a development chain makes it from nothing. */
const DEPLOYER_BALANCE = 10n ** 20n;

const DEPLOY_GAS = 8_000_000n;
const MINT_GAS = 100_000n;

/** Transactions that fit in one block of 30,000,000 gas. */
const MINTS_PER_BLOCK = 250;

export interface DevToken {
  readonly address: Address;
  readonly name: string;
  readonly symbol: string;
  readonly decimals: number;
}

const tokenOf = (deployer: number, details: Omit<DevToken, "address">): DevToken => ({
  address: getCreateAddress({ from: devAccount(deployer).address, nonce: 0 }).toLowerCase() as Address,
  ...details,
});

/** The escrow and the two test tokens: at these addresses on every development chain. */
export const DEV_CONTRACTS = {
  escrow: escrowAddress.toLowerCase() as Address,
  /** Like USDC: 6 decimals, EIP-2612 permits, EIP-3009 authorizations. */
  usdc: tokenOf(DEPLOYERS.usdc, { name: "USD Coin (dev)", symbol: "USDC", decimals: 6 }),
  /** A plain ERC-20. */
  token: tokenOf(DEPLOYERS.token, { name: "Rivulet Dev Token", symbol: "RDT", decimals: 18 }),
} as const;

export type DevContracts = typeof DEV_CONTRACTS;

const factory = new Interface([
  "function deployCreate2(bytes32 salt, bytes initCode) payable returns (address)",
]);
const mintable = new Interface(devTokenAbi);

/**
 * Deploys the escrow and both tokens where they are not there yet. The chain must be one of Hardhat or Anvil, which
 * give coins away; any other is refused as `chain_unsuited`.
 */
export async function deployContracts(provider: Provider): Promise<DevContracts> {
  const { escrow, usdc, token } = DEV_CONTRACTS;
  const missing = async (address: string) =>
    (await provider.request({ method: "eth_getCode", params: [address, "latest"] })) === "0x";
  const [noFactory, noEscrow, noUsdc, noToken] = await Promise.all(
    [factoryAddress, escrow, usdc.address, token.address].map(missing),
  );
  if (noEscrow && noFactory) {
    await setBalance(provider, FACTORY_DEPLOYER, FACTORY_COST);
    await provider.request({ method: "eth_sendRawTransaction", params: [factoryTransaction] });
  }
  if (noEscrow) {
    const data = factory.encodeFunctionData("deployCreate2", [escrowSalt, escrowBytecode]);
    await send(provider, DEPLOYERS.escrow, [{ to: factoryAddress, data, gasLimit: DEPLOY_GAS }]);
  }
  if (noUsdc) await send(provider, DEPLOYERS.usdc, [{ data: devUsdCoinBytecode, gasLimit: DEPLOY_GAS }]);
  if (noToken) await send(provider, DEPLOYERS.token, [{ data: devTokenBytecode, gasLimit: DEPLOY_GAS }]);
  if (noEscrow && (await missing(escrow))) {
    throw new DevError({
      code: "chain_unsuited",
      fields: { reason: "the escrow's deployment had no effect" },
    });
  }
  return DEV_CONTRACTS;
}

/** What an account gets, base units. */
export interface Grant {
  readonly to: string;
  readonly amount: bigint;
}

/** Mints a test token for many accounts at once. */
export async function mint(provider: Provider, token: DevToken, grants: readonly Grant[]): Promise<void> {
  const deployer = token.address === DEV_CONTRACTS.usdc.address ? DEPLOYERS.usdc : DEPLOYERS.token;
  for (let start = 0; start < grants.length; start += MINTS_PER_BLOCK) {
    const calls = grants.slice(start, start + MINTS_PER_BLOCK).map(({ to, amount }) => ({
      to: token.address,
      data: mintable.encodeFunctionData("mint", [to, amount]),
      gasLimit: MINT_GAS,
    }));
    await send(provider, deployer, calls);
  }
}

/** Mints so many whole tokens of both test tokens for each account. */
export async function mintTokens(
  provider: Provider,
  accounts: readonly string[],
  whole: bigint,
): Promise<void> {
  for (const token of [DEV_CONTRACTS.usdc, DEV_CONTRACTS.token]) {
    const amount = whole * 10n ** BigInt(token.decimals);
    const grants = accounts.map((to) => ({ to, amount }));
    await mint(provider, token, grants);
  }
}

/** Sets what an account holds, wei. */
export async function setBalance(provider: Provider, address: string, amount: bigint): Promise<void> {
  try {
    await provider.request({ method: "hardhat_setBalance", params: [address, quantity(amount)] });
  } catch (error) {
    const fields = { reason: "it does not know hardhat_setBalance" };
    throw new DevError({ code: "chain_unsuited", fields }, { cause: error });
  }
}

interface DevCall {
  readonly to?: string;
  readonly data: string;
  readonly gasLimit: bigint;
}

/** Sends calls of one account of ours and waits for the last one's receipt. */
async function send(provider: Provider, index: number, calls: readonly DevCall[]): Promise<void> {
  const wallet = new Wallet(devAccount(index).privateKey);
  await setBalance(provider, wallet.address, DEPLOYER_BALANCE);
  const at = [wallet.address, "pending"];
  const [chainId, nonce, price] = await Promise.all([
    provider.request({ method: "eth_chainId" }),
    provider.request({ method: "eth_getTransactionCount", params: at }),
    provider.request({ method: "eth_gasPrice" }),
  ]);
  let hash = "";
  for (const [i, call] of calls.entries()) {
    const transaction = { ...call, chainId: BigInt(chainId), nonce: Number(nonce) + i, type: 2 };
    // Twice the price, because each full block on the way raises the base fee by an eighth.
    const fees = { maxFeePerGas: BigInt(price) * 2n, maxPriorityFeePerGas: 0n };
    const raw = await wallet.signTransaction({ ...transaction, ...fees });
    hash = await provider.request({ method: "eth_sendRawTransaction", params: [raw] });
  }
  await mined(provider, hash);
}

async function mined(provider: Provider, hash: string): Promise<void> {
  const receiptOf = () => provider.request({ method: "eth_getTransactionReceipt", params: [hash] });
  let receipt = await receiptOf();
  if (receipt === null) {
    await provider.request({ method: "evm_mine" });
    receipt = await receiptOf();
  }
  if (receipt?.status !== "0x1") {
    throw new DevError({ code: "chain_unsuited", fields: { reason: `transaction ${hash} failed` } });
  }
}

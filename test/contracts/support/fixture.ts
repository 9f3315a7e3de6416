import {
  type BaseContract,
  ContractFactory,
  type HDNodeWallet,
  MaxUint256,
  ZeroAddress,
  ZeroHash,
} from "ethers";
import hre from "hardhat";
import type { ChannelEscrow } from "../../../src/chain/generated/ChannelEscrow.ts";
import type { TestToken } from "../../../src/chain/generated/test/TestToken.ts";
import {
  type BalanceProof,
  type ChannelTerms,
  channelIdOf,
  domainOf,
  type Lock,
  locksRootOf,
  type SignedType,
  signMessage,
} from "./messages.ts";
import type { TestChain } from "./testChain.ts";

export const CHALLENGE_PERIOD = 3_600n;
export const DEADLINE = 2n ** 40n;
export const CHAIN_ID = 31337n;
/** What each participant holds of the token apart from its channels. */
export const FUNDS = 10n ** 12n;

/** One side of the channels under test: the account that owns the money, and the key that signs. */
export interface Side {
  readonly account: HDNodeWallet;
  readonly signer: HDNodeWallet;
}

/** An escrow, a token and two sides on one chain. Side 0 is the lower address. */
export interface Fixture {
  readonly chain: TestChain;
  readonly escrow: ChannelEscrow;
  readonly escrowAddress: string;
  readonly token: TestToken;
  readonly tokenAddress: string;
  readonly sides: readonly [Side, Side];
  readonly stranger: HDNodeWallet;
  readonly domain: ReturnType<typeof domainOf>;
  /** A channel nobody had before. */
  terms(token: string): ChannelTerms;
  idOf(channel: ChannelTerms): string;
  sign(signer: HDNodeWallet, type: SignedType, message: Record<string, unknown>): Promise<string>;
  /** A proof signed by the side that pays. */
  prove(channel: ChannelTerms, payer: 0 | 1, proof: BalanceProof): Promise<string>;
}

/** Deploys a contract by its name, from the artifact of the last build; `T` is its generated type. */
export async function deployContract<T = BaseContract>(deployer: HDNodeWallet, name: string): Promise<T> {
  const { abi, bytecode } = await hre.artifacts.readArtifact(name);
  const contract = await new ContractFactory([...abi], bytecode, deployer).deploy();
  return (await contract.waitForDeployment()) as T;
}

/** Deploys escrow and token and gives both sides tokens and the escrow an unlimited allowance. */
export async function deployFixture(chain: TestChain): Promise<Fixture> {
  const deployer = chain.account(0);
  const escrow = await deployContract<ChannelEscrow>(deployer, "ChannelEscrow");
  const token = await deployContract<TestToken>(deployer, "TestToken");
  const escrowAddress = await escrow.getAddress();
  const tokenAddress = await token.getAddress();
  const accounts = [chain.account(1), chain.account(2)].sort((a, b) =>
    BigInt(a.address) < BigInt(b.address) ? -1 : 1,
  );
  const sides: [Side, Side] = [
    { account: accounts[0]!, signer: chain.account(3) },
    { account: accounts[1]!, signer: chain.account(4) },
  ];
  for (const side of sides) {
    await (await token.mint(side.account.address, FUNDS)).wait();
    await (await token.connect(side.account).approve(escrowAddress, MaxUint256)).wait();
  }
  const domain = domainOf(CHAIN_ID, escrowAddress);
  let salt = 0n;
  const idOf = (channel: ChannelTerms) => channelIdOf(CHAIN_ID, escrowAddress, channel);
  return {
    chain,
    escrow,
    escrowAddress,
    token,
    tokenAddress,
    sides,
    stranger: chain.account(5),
    domain,
    idOf,
    terms: (tokenOrNative) => ({
      participant0: sides[0].account.address,
      participant1: sides[1].account.address,
      signer0: sides[0].signer.address,
      signer1: sides[1].signer.address,
      token: tokenOrNative,
      challengePeriod: CHALLENGE_PERIOD,
      salt: ++salt,
    }),
    sign: (signer, type, message) => signMessage(signer, domain, type, message),
    prove: (channel, payer, proof) =>
      signMessage(sides[payer].signer, domain, "BalanceProof", { channelId: idOf(channel), ...proof }),
  };
}

/** A proof over a list of locks, its history a stand-in: the contract does not interpret it. */
export function proofOf(nonce: bigint, transferred: bigint, locks: readonly Lock[] = []): BalanceProof {
  return {
    nonce,
    transferred,
    locked: locks.reduce((sum, lock) => sum + lock.amount, 0n),
    locksRoot: locksRootOf(locks),
    history: nonce === 0n ? ZeroHash : `0x${nonce.toString(16).padStart(64, "a")}`,
  };
}

export const NATIVE = ZeroAddress;

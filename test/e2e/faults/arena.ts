import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BaseContract } from "ethers";
import type { Address, NodeOptions } from "rivulet";
import { generateMnemonic } from "rivulet/crypto";
import { deployContract } from "../../contracts/support/fixture.ts";
import { startAnvil, type TestChain } from "../../contracts/support/testChain.ts";
import { freePort } from "../../support/freePort.ts";

/** What every node's account starts with, wei; gas comes out of it. */
export const FUNDS = 10n ** 20n;
export const TOKENS = 10n ** 18n;
export const CHALLENGE_PERIOD = 600;

/** The part of the test token that is needed here. */
export interface Token {
  mint(account: string, amount: bigint): Promise<{ wait(): Promise<unknown> }>;
  balanceOf(account: string): Promise<bigint>;
}

/** As the escrow numbers them. */
const STATUSES = ["none", "open", "closing", "settled"] as const;

export type ChannelStatus = (typeof STATUSES)[number];

interface EscrowView {
  channelState(channelId: string): Promise<{ readonly status: bigint }>;
}

/** A chain with an escrow and a token, and a place on disk: what nodes in processes of their own need. */
export interface Arena {
  readonly chain: TestChain;
  readonly root: string;
  readonly rpcUrl: string;
  readonly escrow: Address;
  readonly token: Token;
  readonly tokenAddress: Address;
  /** What the escrow itself says of a channel. */
  status(channelId: string): Promise<ChannelStatus>;
  /** Options for a new node that listens on a port of its own. */
  options(name: string, overrides?: Partial<NodeOptions>): Promise<NodeOptions & { readonly port: number }>;
  /** Gives an account coins for gas, and tokens. */
  fund(account: string): Promise<void>;
  pass(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

export async function openArena(): Promise<Arena> {
  const chain = await startAnvil();
  const deployer = chain.account(0);
  const escrowContract = (await deployContract(deployer, "ChannelEscrow")) as BaseContract & EscrowView;
  const token = (await deployContract(deployer, "TestToken")) as BaseContract & Token;
  const escrow = (await escrowContract.getAddress()).toLowerCase() as Address;
  const tokenAddress = (await token.getAddress()).toLowerCase() as Address;
  const root = await mkdtemp(join(tmpdir(), "rivulet-faults-"));
  let funding = Promise.resolve();
  const rpcUrl = chain.provider._getConnection().url;
  return {
    chain,
    root,
    rpcUrl,
    escrow,
    token,
    tokenAddress,
    status: async (channelId) => {
      const { status } = await escrowContract.channelState(channelId);
      return STATUSES[Number(status)]!;
    },
    options: async (name, overrides = {}) => {
      const port = await freePort();
      const options: NodeOptions = {
        directory: join(root, name),
        mnemonic: generateMnemonic(),
        rpcUrl,
        chainId: 31337n,
        escrow,
        listen: [`/ip4/127.0.0.1/tcp/${port}`],
        confirmations: 1,
        staleAfter: "never",
        poll: { least: 100, most: 1_000 },
        policy: { challengePeriod: { least: 60, most: 86_400 }, mostMatchingDeposit: 10n ** 18n },
        ...overrides,
      };
      return { ...options, port };
    },
    fund: (account) => {
      // One account mints all tokens, so one after the other.
      const turn = funding.then(async () => {
        await chain.provider.send("anvil_setBalance", [account, `0x${FUNDS.toString(16)}`]);
        await (await token.mint(account, TOKENS)).wait();
      });
      funding = turn.catch(() => {});
      return turn;
    },
    pass: async (seconds) => chain.mineAt((await chain.time()) + seconds),
    stop: async () => {
      await chain.stop();
      // A process that was just killed may have one write under way.
      await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

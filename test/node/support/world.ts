import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelEscrow } from "../../../src/chain/generated/ChannelEscrow.ts";
import type { TestToken } from "../../../src/chain/generated/test/TestToken.ts";
import { generateMnemonic } from "../../../src/crypto/index.ts";
import {
  type ChannelInfo,
  createNode,
  type NodeOptions,
  type NodeSeams,
  type RivuletNode,
} from "../../../src/node/index.ts";
import type { Address } from "../../../src/protocol/index.ts";
import { deployContract } from "../../contracts/support/fixture.ts";
import { startAnvil, type TestChain } from "../../contracts/support/testChain.ts";

/** What every account starts with, wei. */
export const FUNDS = 10n ** 20n;
/** What every account starts with of the test token, base units. */
export const TOKENS = 10n ** 18n;
export const CHALLENGE_PERIOD = 600;

/** A node that a test can stop and start again over the same directory. */
export interface TestNode {
  readonly options: NodeOptions;
  node: RivuletNode;
  /** Codes of the warnings so far. */
  readonly warnings: string[];
  restart(seams?: NodeSeams, overrides?: Partial<NodeOptions>): Promise<RivuletNode>;
}

export interface World {
  readonly chain: TestChain;
  readonly escrow: ChannelEscrow;
  readonly token: TestToken;
  readonly escrowAddress: Address;
  readonly tokenAddress: Address;
  node(overrides?: Partial<NodeOptions>, seams?: NodeSeams): Promise<TestNode>;
  /** Lets chain time pass and mines a block. Seconds. */
  pass(seconds: number): Promise<void>;
  balance(token: Address, account: Address): Promise<bigint>;
  stop(): Promise<void>;
}

/** A real chain with escrow and token, and as many real nodes as asked for. */
export async function openWorld(start: () => Promise<TestChain> = startAnvil): Promise<World> {
  const chain = await start();
  const deployer = chain.account(0);
  const escrow = (await deployContract(deployer, "ChannelEscrow")) as ChannelEscrow;
  const token = (await deployContract(deployer, "TestToken")) as TestToken;
  const escrowAddress = (await escrow.getAddress()).toLowerCase() as Address;
  const tokenAddress = (await token.getAddress()).toLowerCase() as Address;
  const root = await mkdtemp(join(tmpdir(), "rivulet-node-"));
  const nodes: TestNode[] = [];
  const open = async (overrides: Partial<NodeOptions> = {}, seams?: NodeSeams): Promise<TestNode> => {
    const options: NodeOptions = {
      directory: join(root, `node${nodes.length}`),
      mnemonic: generateMnemonic(),
      rpcUrl: chain.provider._getConnection().url,
      chainId: 31337n,
      escrow: escrowAddress,
      confirmations: 1,
      staleAfter: "never",
      poll: { least: 50, most: 200 },
      policy: { challengePeriod: { least: 60, most: 86_400 }, mostMatchingDeposit: 10n ** 18n },
      ...overrides,
    };
    const warnings: string[] = [];
    const run = async (chosen?: NodeSeams, changed?: Partial<NodeOptions>) => {
      const node = await createNode({ ...options, ...changed }, chosen);
      node.on("warning", ({ code }) => warnings.push(code));
      return node;
    };
    const node = await run(seams);
    await chain.provider.send("anvil_setBalance", [node.account, `0x${FUNDS.toString(16)}`]);
    await (await token.mint(node.account, TOKENS)).wait();
    const handle: TestNode = {
      options,
      node,
      warnings,
      restart: async (chosen, changed) => {
        handle.node = await run(chosen, changed);
        return handle.node;
      },
    };
    nodes.push(handle);
    return handle;
  };
  return {
    chain,
    escrow,
    token,
    escrowAddress,
    tokenAddress,
    node: open,
    pass: async (seconds) => chain.mineAt((await chain.time()) + seconds),
    balance: (asset, account) =>
      /^0x0{40}$/.test(asset) ? chain.provider.getBalance(account) : token.balanceOf(account),
    stop: async () => {
      await Promise.all(nodes.map(({ node }) => node.stop().catch(() => {})));
      await chain.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A channel between two nodes, funded by both. */
export async function openFunded(
  a: TestNode,
  b: TestNode,
  deposit: bigint,
  token?: Address,
): Promise<ChannelInfo> {
  const { channelId } = await a.node.openChannel({
    peer: b.node.addresses[0]!,
    deposit,
    requestDeposit: deposit,
    challengePeriod: CHALLENGE_PERIOD,
    ...(token !== undefined && { token }),
  });
  await b.node.ready(channelId);
  return a.node.channel(channelId);
}

/** The same, once each of them can send all of its deposit. */
export async function openBoth(a: TestNode, b: TestNode, deposit: bigint): Promise<ChannelInfo> {
  const channel = await openFunded(a, b, deposit);
  for (const { node } of [a, b]) {
    while ((await node.channel(channel.channelId)).sendCapacity !== deposit) await sleep(20);
  }
  return channel;
}

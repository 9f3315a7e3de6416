import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevAccount, userAccounts } from "../accounts.ts";
import { DEV_CONTRACTS, type DevContracts, deployContracts, mintTokens } from "../chain/deploy.ts";
import { DevChain } from "../chain/devChain.ts";
import type { Provider } from "../chain/provider.ts";
import { openStateDirectory, type StateDirectory } from "../chain/stateDirectory.ts";
import { type DevChannel, openChannels, planChannels } from "../nodes/channelMesh.ts";
import { runDaemons } from "../nodes/daemonRunner.ts";
import type { DevNode } from "../nodes/devNode.ts";
import { NodeGroup } from "../nodes/nodeGroup.ts";
import { checkOptions, DEFAULT_NODES, DEFAULT_ORIGINS, type NetworkOptions } from "./networkOptions.ts";
import { apiPort, ifFree, peerPort, RPC_PORT } from "./ports.ts";

/** Milliseconds between looks at the chain. */
const POLL = { least: 25, most: 250 };

/** What each user's account gets of each test token, whole tokens. */
const USER_TOKENS = 1_000_000n;

/** A running development network. */
export interface DevNetwork extends AsyncDisposable {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** The chain without HTTP between. */
  readonly provider: Provider;
  readonly contracts: DevContracts;
  /** For applications: with coins and both tokens. */
  readonly accounts: readonly DevAccount[];
  readonly nodes: readonly DevNode[];
  readonly channels: readonly DevChannel[];
  /** Seconds between blocks; undefined when every transaction gets one at once. */
  readonly blockTime: number | undefined;
  /** Stops nodes and chain. What is kept is whole afterwards. */
  close(): Promise<void>;
}

/**
 * Starts a chain with escrow, test tokens and nodes, and opens a funded channel of each pair of nodes in the native
 * coin and in the USDC-like token. Throws `DevError`; nothing runs then.
 */
export async function startNetwork(options: NetworkOptions = {}): Promise<DevNetwork> {
  checkOptions(options);
  const { stateDirectory } = options;
  const state =
    stateDirectory === undefined
      ? undefined
      : openStateDirectory(stateDirectory, Math.floor(Date.now() / 1000));
  const closers: (() => Promise<void>)[] = [async () => state?.release()];
  try {
    return await start(options, state, closers);
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function start(
  options: NetworkOptions,
  state: StateDirectory | undefined,
  closers: (() => Promise<void>)[],
): Promise<DevNetwork> {
  const { nodes: count = DEFAULT_NODES, blockTime, onStep = () => {} } = options;
  onStep(state === undefined ? "starting the chain" : "starting the chain as it was left");
  const chain = await DevChain.open(state);
  closers.push(() => chain.close());
  const { provider } = chain;
  onStep("deploying escrow and tokens");
  const isNew = await prepare(provider);
  const directory = state?.path ?? (await mkdtemp(join(tmpdir(), "rivulet-dev-")));
  if (state === undefined) closers.push(() => rm(directory, { recursive: true, force: true }));
  const rpcPort = options.port ?? (await ifFree(RPC_PORT));
  const { listen, run } = await nodePlaces(count, options);
  const group = await NodeGroup.open({ provider, directory, poll: POLL, run, rpcPort, listen });
  closers.push(() => group.close());
  onStep(`starting ${count} ${count === 1 ? "node" : "nodes"}`);
  await group.start(count);
  if (!isNew) await group.reconnect();
  onStep("opening channels");
  const channels = await openChannels(planChannels(group.nodes));
  if (blockTime !== undefined) await chain.mineEvery(blockTime);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= closeAll(closers);
    return closing;
  };
  return {
    rpcUrl: group.rpcUrl,
    chainId: Number(group.chainId),
    provider,
    contracts: DEV_CONTRACTS,
    accounts: userAccounts(),
    nodes: group.nodes,
    channels,
    blockTime,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Where nodes listen: at the same ports every time while nobody else does. */
async function nodePlaces(count: number, { port, origins = DEFAULT_ORIGINS }: NetworkOptions) {
  const choose = async (preferred: number) => (port === 0 ? 0 : ifFree(preferred));
  const numbers = Array.from({ length: count }, (_, n) => n);
  const peerPorts = await Promise.all(numbers.map((n) => choose(peerPort(n))));
  const apiPorts = await Promise.all(numbers.map((n) => choose(apiPort(n))));
  return {
    listen: (n: number) => `/ip4/127.0.0.1/tcp/${peerPorts[n]}`,
    run: runDaemons((n) => apiPorts[n] ?? 0, origins),
  };
}

/** Contracts and the users' tokens, unless the chain has a past. */
async function prepare(provider: Provider): Promise<boolean> {
  const at = [DEV_CONTRACTS.token.address, "latest"];
  const isNew = (await provider.request({ method: "eth_getCode", params: at })) === "0x";
  if (!isNew) return false;
  await deployContracts(provider);
  const users = userAccounts().map(({ address }) => address);
  await mintTokens(provider, users, USER_TOKENS);
  return true;
}

/** Last opened, first closed; one that fails keeps no other from being closed. */
async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChannelInfo } from "../../node/index.ts";
import { type Address, ZERO_ADDRESS } from "../../protocol/index.ts";
import { type DevAccount, userAccounts } from "../accounts.ts";
import { balanceOf } from "../chain/balance.ts";
import { DEV_CONTRACTS, type DevContracts, deployContracts, mint, setBalance } from "../chain/deploy.ts";
import { blockTime, type Provider, type ProviderCall, quantity } from "../chain/provider.ts";
import { DevError } from "../error.ts";
import { channelBecomes } from "../nodes/channelWait.ts";
import { type DevNode, runBare } from "../nodes/devNode.ts";
import { type GroupCopy, NO_NODES, NodeGroup } from "../nodes/nodeGroup.ts";
import { type SettleOptions, TestChannel } from "./testChannel.ts";

/** Milliseconds between looks at a chain in the same process, which cost next to nothing. */
const POLL = { least: 10, most: 20 };

/** Seconds: an hour, as a real channel might have; time travels. */
const CHALLENGE_PERIOD = 3600;

/** Snapshots with their copies of the nodes' files. A test holds a handful. */
const MAX_SNAPSHOTS = 256;

export interface OpenChannelOptions {
  /** Default: the native coin. `network.contracts` has the test tokens. */
  readonly token?: Address;
  /** What the opener deposits, base units. */
  readonly deposit: bigint;
  /** What the other side deposits, base units. Default 0. */
  readonly otherDeposit?: bigint;
  /** Seconds, at least 60. Default: an hour. */
  readonly challengePeriod?: number;
}

export interface TestNetworkInit {
  /** The chain itself. */
  readonly chain: Provider;
  /**
   * What everybody asks: `chain` with snapshots that take the nodes along. Default: made here; Hardhat's plugin
   * passes the connection, whose hook calls {@link TestNetwork.request}.
   */
  readonly provider?: Provider;
  /** Ends the chain, if it is the network's own. */
  readonly closeChain?: () => Promise<void>;
}

/**
 * A chain with the escrow and test tokens on it, and nodes that a test starts. Everything is this network's own: ports
 * chosen by the system, a directory of its own, so that test files run side by side.
 */
export class TestNetwork implements AsyncDisposable {
  readonly contracts: DevContracts = DEV_CONTRACTS;
  /** For applications and their tests; Hardhat's default accounts, with coins and unlocked. Nodes have others. */
  readonly accounts: readonly DevAccount[] = userAccounts();
  /** The chain, as EIP-1193 has it. `evm_snapshot` and `evm_revert` take the nodes along. */
  readonly provider: Provider;
  readonly #init: TestNetworkInit;
  readonly #snapshots = new Map<string, GroupCopy>();
  readonly #fixtures = new Map<unknown, { readonly id: string; readonly result: unknown }>();
  #opening: Promise<NodeGroup> | undefined;
  #group: NodeGroup | undefined;
  #directory: string | undefined;
  #closed = false;

  constructor(init: TestNetworkInit) {
    this.#init = init;
    this.provider = init.provider ?? {
      request: (call) => this.request(call, () => init.chain.request(call)),
    };
  }

  /** The nodes that were started, in order. */
  get nodes(): readonly DevNode[] {
    return this.#group?.nodes ?? [];
  }

  /** The chain's JSON-RPC over HTTP, for libraries that want a URL. */
  async rpcUrl(): Promise<string> {
    return (await this.#ready()).rpcUrl;
  }

  /** Deploys escrow and tokens if they are not there, and says where they are. Nodes do it by themselves. */
  async deployEscrow(): Promise<DevContracts> {
    await this.#prepared();
    return this.contracts;
  }

  /** Starts a node with coins and tokens of its own. */
  async startNode(): Promise<DevNode> {
    const [node] = await this.startNodes(1);
    return node!;
  }

  /** Starts nodes, all at once: `const [alice, bob] = await network.startNodes(2)`. */
  async startNodes<const Count extends number>(count: Count): Promise<Nodes<Count>> {
    const group = await this.#prepared();
    return (await group.start(count)) as unknown as Nodes<Count>;
  }

  /** Opens a channel and resolves once both sides count both deposits. */
  async openChannel(opener: DevNode, other: DevNode, options: OpenChannelOptions): Promise<TestChannel> {
    const { token, deposit, otherDeposit = 0n, challengePeriod = CHALLENGE_PERIOD } = options;
    const { channelId } = await opener.node.openChannel({
      peer: other.address,
      deposit,
      requestDeposit: otherDeposit,
      challengePeriod,
      ...(token && { token: token.toLowerCase() as Address }),
    });
    const counted = ({ sendCapacity, receiveCapacity }: ChannelInfo, ours: bigint, theirs: bigint) =>
      sendCapacity >= ours && receiveCapacity >= theirs;
    await channelBecomes(opener, channelId, (info) => counted(info, deposit, otherDeposit));
    await channelBecomes(other, channelId, (info) => counted(info, otherDeposit, deposit));
    await other.node.ready(channelId);
    const info = await opener.node.channel(channelId);
    return new TestChannel(info, { opener, other, challengePeriod }, (channel, how) =>
      this.#settle(channel, how),
    );
  }

  /**
   * Moves the chain's time on and mines a block. Before, nodes do what they would have done by then, such as answer a
   * cheat; after, they do what the new time lets them do, such as settle. Throws `nodes_busy`.
   */
  async advance(seconds: number): Promise<void> {
    if (!Number.isInteger(seconds) || seconds < 1) {
      const fields = { option: "seconds", reason: "time moves on by whole seconds, 1 at least" };
      throw new DevError({ code: "option_invalid", fields });
    }
    const { rest } = await this.#ready();
    await rest.reached();
    const time = (await blockTime(this.provider)) + seconds;
    await this.provider.request({ method: "evm_setNextBlockTimestamp", params: [quantity(time)] });
    await this.provider.request({ method: "evm_mine" });
    await rest.reached();
  }

  /** The chain's time, Unix seconds. */
  time(): Promise<number> {
    return blockTime(this.provider);
  }

  /** Resolves once every node has dealt with all that happened on the chain. Throws `nodes_busy`. */
  async settleDown(): Promise<void> {
    await (await this.#ready()).rest.reached();
  }

  /** What an address holds outside of channels, base units. Default: the native coin. */
  balance(of: DevNode | string, token: Address = ZERO_ADDRESS): Promise<bigint> {
    return balanceOf(this.provider, addressOf(of), token);
  }

  /** Gives an address base units of a test token, or coins. */
  async fund(to: DevNode | string, amount: bigint, token: Address = ZERO_ADDRESS): Promise<void> {
    await this.#prepared();
    const address = addressOf(to);
    const known = [this.contracts.usdc, this.contracts.token].find(
      (each) => each.address === token.toLowerCase(),
    );
    if (known !== undefined) return mint(this.provider, known, [{ to: address, amount }]);
    if (token !== ZERO_ADDRESS) {
      const fields = {
        option: "token",
        reason: "only the test tokens and the native coin come from nothing",
      };
      throw new DevError({ code: "option_invalid", fields });
    }
    await setBalance(this.provider, address, (await this.balance(address)) + amount);
  }

  /** Remembers chain and nodes as they are; `revert` takes both back. The same as `evm_snapshot`. */
  async snapshot(): Promise<string> {
    return await this.provider.request({ method: "evm_snapshot" });
  }

  /**
   * Takes chain and nodes back to a snapshot, which is used up. Channels opened since are gone, nodes started since
   * too; the others are restarted and connected again. The same as `evm_revert`.
   */
  async revert(id: string): Promise<void> {
    if ((await this.provider.request({ method: "evm_revert", params: [id] })) !== true) {
      throw new DevError({ code: "snapshot_unknown", fields: { id } });
    }
  }

  /**
   * Runs `prepare` the first time, and from then on takes chain and nodes back to how it left them. Answers what it
   * answered: its nodes and channels can be used again.
   */
  async fixture<T>(prepare: (network: TestNetwork) => Promise<T>): Promise<T> {
    const known = this.#fixtures.get(prepare);
    if (known !== undefined) await this.revert(known.id);
    const result = known === undefined ? await prepare(this) : (known.result as T);
    this.#fixtures.set(prepare, { id: await this.snapshot(), result });
    return result;
  }

  /** Passes a call to the chain, and takes the nodes along when it is a snapshot or a revert. */
  async request<T>(call: ProviderCall, next: () => Promise<T>): Promise<T> {
    if (call.method === "evm_snapshot") return this.#snapshot(next);
    if (call.method === "evm_revert" && this.#group !== undefined)
      return this.#revert(call, this.#group, next);
    return next();
  }

  /** Stops the nodes, ends the chain, removes every file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      // Whoever asked for it has heard why it did not open.
      await (await this.#opening?.catch(() => undefined))?.close();
    } finally {
      await this.#init.closeChain?.();
      if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #snapshot<T>(next: () => Promise<T>): Promise<T> {
    const group = this.#group;
    const [oldest] = this.#snapshots.keys();
    if (this.#snapshots.size >= MAX_SNAPSHOTS && oldest !== undefined) await this.#forget(oldest);
    const copy = group === undefined || group.nodes.length === 0 ? NO_NODES : await group.copy();
    const id = await next();
    this.#snapshots.set(String(id), copy);
    return id;
  }

  async #revert<T>({ params }: ProviderCall, group: NodeGroup, next: () => Promise<T>): Promise<T> {
    const id = String(params?.[0]);
    const copy = this.#snapshots.get(id);
    // As the chain answers: no such snapshot.
    if (copy === undefined) return false as T;
    let result: T | undefined;
    await group.restore(copy, async () => {
      result = await next();
    });
    // The chain uses up a snapshot and all that were made after it.
    const isLater = (other: string) => BigInt(other) >= BigInt(id);
    for (const later of [...this.#snapshots.keys()].filter(isLater)) await this.#forget(later);
    for (const [prepare, fixture] of this.#fixtures) if (isLater(fixture.id)) this.#fixtures.delete(prepare);
    return result as T;
  }

  async #forget(id: string): Promise<void> {
    const copy = this.#snapshots.get(id);
    this.#snapshots.delete(id);
    if (copy !== undefined) await this.#group?.forget(copy);
  }

  async #settle(channel: TestChannel, { mode = "cooperative" }: SettleOptions): Promise<ChannelInfo> {
    const { opener, other, id, challengePeriod } = channel;
    const closing = opener.node.close(id, { mode });
    closing.catch(() => {}); // awaited below
    if (mode === "unilateral") {
      await Promise.race([closing, channelBecomes(opener, id, ({ phase }) => phase !== "open")]);
      // The close is on chain before its time moves on: nodes come to rest only then.
      await Promise.race([closing, this.advance(challengePeriod + 1)]);
    }
    const info = await closing;
    await channelBecomes(other, id, ({ phase }) => phase === "settled");
    return info;
  }

  /** With the contracts on the chain, which a revert to an early snapshot takes away. */
  async #prepared(): Promise<NodeGroup> {
    const group = await this.#ready();
    await deployContracts(this.#init.chain);
    return group;
  }

  #ready(): Promise<NodeGroup> {
    if (this.#closed) return Promise.reject(new DevError({ code: "network_closed", fields: {} }));
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<NodeGroup> {
    this.#directory = await mkdtemp(join(tmpdir(), "rivulet-test-"));
    this.#group = await NodeGroup.open({
      provider: this.provider,
      directory: this.#directory,
      poll: POLL,
      run: runBare,
      rpcPort: 0,
      listen: () => "/ip4/127.0.0.1/tcp/0",
    });
    return this.#group;
  }
}

/** As many nodes as were asked for, so that destructuring them needs no assertion. */
export type Nodes<Count extends number> = number extends Count ? DevNode[] : Tuple<Count>;
type Tuple<Count extends number, Found extends DevNode[] = []> = Found["length"] extends Count
  ? Found
  : Tuple<Count, [...Found, DevNode]>;

function addressOf(of: DevNode | string): string {
  return typeof of === "string" ? of : of.account.address;
}

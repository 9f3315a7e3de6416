import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { ChannelId } from "rivulet";
import { generateMnemonic } from "rivulet/crypto";
import { type BenchChain, startChain } from "./chain.ts";
import type { NodePlace, NodeStart } from "./control.ts";
import { NodeHost } from "./nodeHost.ts";
import type { BenchOptions } from "./options.ts";

/** What a channel can carry in each direction that is funded, wei: hundreds of millions of payments. */
export const DEPOSIT = 10n ** 18n;

/** A process with its nodes, by their index in it. */
export interface Party {
  readonly host: NodeHost;
  readonly starts: readonly NodeStart[];
  readonly nodes: readonly NodePlace[];
}

/** A process with a daemon: one node and its API. */
export interface DaemonParty extends Party {
  readonly url: string;
  readonly accessToken: string;
}

interface PartyOptions {
  readonly nodes?: number;
  readonly signEach?: boolean;
}

/** The processes and files of one measurement; they go with it. */
export class World {
  readonly chain: BenchChain;
  readonly directory: string;
  readonly #options: BenchOptions;
  readonly #hosts = new Set<NodeHost>();
  #made = 0;

  private constructor(chain: BenchChain, directory: string, options: BenchOptions) {
    this.chain = chain;
    this.directory = directory;
    this.#options = options;
  }

  /** Runs `measure` in a world of its own. */
  static async with<T>(options: BenchOptions, measure: (world: World) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(options.directory, "rivulet-bench-"));
    let world: World | undefined;
    const discard = () => {
      if (world !== undefined) for (const host of world.#hosts) host.kill();
      // A process that was killed may still be writing for a moment.
      rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    };
    process.once("exit", discard);
    try {
      world = new World(await startChain(), directory, options);
      return await measure(world);
    } finally {
      await Promise.all([...(world ? world.#hosts : [])].map((host) => host.end()));
      await world?.chain.stop();
      discard();
      process.off("exit", discard);
    }
  }

  /** What a new node is started with. */
  describeNode(signEach = false): NodeStart {
    const directory = join(this.directory, `node${this.#made++}`);
    return { directory, mnemonic: generateMnemonic(), chain: this.chain.place, signEach };
  }

  /** A process without nodes yet. */
  host(name: string, flags: readonly string[] = []): NodeHost {
    const { profile } = this.#options;
    const profiling = profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profile];
    const host = new NodeHost(name, [...profiling, ...flags]);
    this.#hosts.add(host);
    return host;
  }

  /** A process with new, funded nodes in it. */
  async party(name: string, { nodes: count = 1, signEach = false }: PartyOptions = {}): Promise<Party> {
    const host = this.host(name);
    const starts = Array.from({ length: count }, () => this.describeNode(signEach));
    const nodes = await host.call("start", starts);
    for (const { account } of nodes) await this.chain.fund(account);
    return { host, starts, nodes };
  }

  /** A process with a new, funded daemon in it. */
  async daemon(name: string): Promise<DaemonParty> {
    const host = this.host(name);
    const start = this.describeNode();
    const { url, accessToken, ...node } = await host.call("startDaemon", start);
    await this.chain.fund(node.account);
    return { host, starts: [start], nodes: [node], url, accessToken };
  }

  /** A channel from a node of `payer` to the first one of `payee`, ready on both sides. */
  async open(payer: Party, payee: Party, node = 0, match = 0n): Promise<ChannelId> {
    const peer = payee.nodes[0]!.address;
    const channelId = await payer.host.call("open", { node, peer, deposit: DEPOSIT, match });
    await payee.host.call("ready", { node: 0, channelId });
    return channelId;
  }
}

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { devAccount, MAX_NODES, NODE_NAMES, nodeAccountIndex } from "../accounts.ts";
import { mintTokens, setBalance } from "../chain/deploy.ts";
import { START_BALANCE } from "../chain/hardhatChain.ts";
import type { Provider } from "../chain/provider.ts";
import { type RpcServer, serveRpc } from "../chain/rpcServer.ts";
import { DevError } from "../error.ts";
import { all } from "./all.ts";
import { DevNode, type Poll, type Runner } from "./devNode.ts";
import { copyDirectory, restoreDirectory } from "./directoryCopy.ts";
import { Rest } from "./rest.ts";

/** What a node starts with of each test token, whole tokens. */
const START_TOKENS = 1_000_000n;

/** How long peers may take to find each other again after a restart. */
const RECONNECT_MS = 30_000;

export interface NodeGroupInit {
  /** What nodes and applications ask. */
  readonly provider: Provider;
  /** Holds a directory per node. */
  readonly directory: string;
  readonly poll: Poll;
  readonly run: Runner;
  /** Of the JSON-RPC server; 0 lets the system choose. */
  readonly rpcPort: number;
  /** What the `n`th node listens on. */
  readonly listen: (n: number) => string;
  readonly log?: Logger | undefined;
}

/** The nodes as they were at a snapshot. */
export interface GroupCopy {
  readonly directory: string;
  readonly nodes: readonly DevNode[];
  /** How many had ever been started. */
  readonly started: number;
}

/** The copy of a group of which no node was started. */
export const NO_NODES: GroupCopy = { directory: "", nodes: [], started: 0 };

/** The nodes of one chain and the JSON-RPC server through which they see it. */
export class NodeGroup {
  readonly #init: NodeGroupInit;
  readonly #server: RpcServer;
  readonly #chainId: bigint;
  readonly rest: Rest;
  #nodes: DevNode[] = [];
  #started = 0;
  #copies = 0;

  private constructor(init: NodeGroupInit, rest: Rest, server: RpcServer, chainId: bigint) {
    this.#init = init;
    this.rest = rest;
    this.#server = server;
    this.#chainId = chainId;
  }

  /** Opens the JSON-RPC server. Throws `port_taken`. */
  static async open(init: NodeGroupInit): Promise<NodeGroup> {
    const chainId = BigInt(await init.provider.request({ method: "eth_chainId" }));
    const rest = new Rest(init.provider);
    const onCall = rest.onCall.bind(rest);
    const server = await serveRpc(init.provider, { port: init.rpcPort, onCall });
    return new NodeGroup(init, rest, server, chainId);
  }

  get rpcUrl(): string {
    return this.#server.url;
  }

  get chainId(): bigint {
    return this.#chainId;
  }

  get nodes(): readonly DevNode[] {
    return this.#nodes;
  }

  /** Starts so many more nodes, each with coins and both tokens unless it has a past. */
  async start(count: number): Promise<DevNode[]> {
    const first = this.#started;
    if (!Number.isInteger(count) || count < 1 || first + count > MAX_NODES) {
      const reason = `a network has at most ${MAX_NODES} nodes, and ${first} were started before ${count} more`;
      throw new DevError({ code: "option_invalid", fields: { option: "nodes", reason } });
    }
    this.#started += count;
    const numbers = Array.from({ length: count }, (_, i) => first + i);
    await this.#fund(numbers.filter((number) => !existsSync(this.#directoryOf(number))));
    const nodes = numbers.map((number) => this.#make(number));
    this.#nodes.push(...nodes);
    await all(nodes.map((node) => this.#run(node)));
    return nodes;
  }

  /** Copies all nodes' databases. Nothing may be paid meanwhile. */
  async copy(): Promise<GroupCopy> {
    await this.rest.reached();
    const directory = join(this.#init.directory, `copy-${this.#copies++}`);
    const nodes = [...this.#nodes];
    await all(nodes.map((node) => copyDirectory(node.directory, join(directory, node.name))));
    return { directory, nodes, started: this.#started };
  }

  /**
   * Takes the nodes back to a copy while `revert` takes back the chain. Nodes that are not part of it are gone. The
   * others connect again, and resolves once their open channels are re-established.
   */
  async restore({ directory, nodes, started }: GroupCopy, revert: () => Promise<void>): Promise<void> {
    const gone = this.#nodes.filter((node) => !nodes.includes(node));
    await all(this.#nodes.map((node) => this.#halt(node, gone.includes(node))));
    await revert();
    // Their names and accounts are free again.
    await all(gone.map((node) => rm(node.directory, { recursive: true, force: true })));
    this.#nodes = [...nodes];
    this.#started = started;
    await all(
      nodes.map(async (node) => {
        await restoreDirectory(join(directory, node.name), node.directory);
        await this.#run(node);
      }),
    );
    await this.reconnect();
  }

  async forget({ directory }: GroupCopy): Promise<void> {
    if (directory !== "") await rm(directory, { recursive: true, force: true });
  }

  /** Connects nodes that share a channel, and waits until their channels are re-established. */
  async reconnect(): Promise<void> {
    const signal = AbortSignal.timeout(RECONNECT_MS);
    const bySigner = new Map(this.#nodes.map((node) => [node.signer as string, node]));
    const connecting = this.#nodes.map(async ({ node, signer }) => {
      for await (const { channelId, peer, phase } of node.channels()) {
        const other = bySigner.get(peer);
        // The lower one of two calls the other.
        if (other === undefined || signer > peer || phase === "settled") continue;
        await node.connect(other.address, { signal });
        if (phase === "open")
          await Promise.all([node, other.node].map((end) => end.ready(channelId, { signal })));
      }
    });
    await all(connecting);
  }

  /** Stops all nodes and the server. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#nodes.map((node) => this.#halt(node, false)));
    await this.#server.close();
  }

  #directoryOf(number: number): string {
    return join(this.#init.directory, NODE_NAMES[number]!);
  }

  #make(number: number): DevNode {
    const { poll, run, listen, log } = this.#init;
    const name = NODE_NAMES[number]!;
    return new DevNode({
      name,
      number,
      directory: this.#directoryOf(number),
      rpcUrl: `${this.#server.url}${pathOf(name)}`,
      chainId: this.#chainId,
      poll,
      listen: listen(number),
      run,
      log: log?.child({ node: name }),
    });
  }

  async #run(node: DevNode): Promise<void> {
    await node.start();
    this.rest.add(pathOf(node.name));
  }

  async #halt(node: DevNode, gone: boolean): Promise<void> {
    this.rest.remove(pathOf(node.name));
    await node.stop(gone);
  }

  async #fund(numbers: readonly number[]): Promise<void> {
    if (numbers.length === 0) return;
    const { provider } = this.#init;
    const accounts = numbers.map((number) => devAccount(nodeAccountIndex(number)).address);
    for (const address of accounts) await setBalance(provider, address, START_BALANCE);
    await mintTokens(provider, accounts, START_TOKENS);
  }
}

/** The path on the JSON-RPC server by which a node is told from the others. */
function pathOf(name: string): string {
  return `/nodes/${name}`;
}

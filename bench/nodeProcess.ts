// A process with one or more nodes and the application that pays or is paid through them.
import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelId, createNode, type RivuletNode } from "rivulet";
import { type Daemon, startDaemon } from "../dist/api/daemon.js";
import type { DaemonPlace, Memory, NodeCalls, NodePlace, NodeStart, Reply, Request } from "./control.ts";
import { WriteCounter } from "./countingStore.ts";
import { pay } from "./paying.ts";
import { PaymentTally } from "./tally.ts";

/** Development chains mine on demand and need no more; a longer challenge period costs nothing here. */
const POLICY = {
  challengePeriod: { least: 60, most: 86_400 },
  mostMatchingDeposit: 10n ** 24n,
  // A thousand channels are opened in a row here.
  pendingPerPeer: 4_096,
};

/** The chain is looked at often while channels are opened and hardly while payments are measured. */
const POLL = { least: 50, most: 2_000 };

const CHALLENGE_PERIOD = 3_600;

const nodes: RivuletNode[] = [];
const daemons: Daemon[] = [];
const sent = new PaymentTally();
const seen = new PaymentTally();
const writes = new WriteCounter();

function optionsOf({ directory, mnemonic, chain, signEach }: NodeStart) {
  const { rpcUrl, chainId, escrow } = chain;
  const onDemand = { confirmations: 1, staleAfter: "never" } as const;
  return { directory, mnemonic, rpcUrl, chainId, escrow, signEach, policy: POLICY, poll: POLL, ...onDemand };
}

async function start(given: NodeStart): Promise<NodePlace> {
  return take(await createNode(optionsOf(given), { database: { openStore: writes.openStore } }));
}

async function startOneDaemon(given: NodeStart): Promise<DaemonPlace> {
  const options = { node: optionsOf(given), api: { port: 0 }, version: "bench" };
  const daemon = await startDaemon(
    { ...options, adminTokenFile: `${given.directory}.token` },
    { database: { openStore: writes.openStore } },
  );
  daemons.push(daemon);
  return { ...take(daemon.node), url: daemon.url, accessToken: daemon.adminToken };
}

function take(node: RivuletNode): NodePlace {
  node.on("payments", ({ entries }) => seen.addEntries(entries));
  // Nothing goes wrong in a measurement that counts. The account gets its money once the node has told which it is.
  node.on("warning", ({ code, message }) => {
    if (code === "gas_wallet_low" || code === "gas_wallet_ok") return;
    throw new Error(`a node warned of ${code}: ${message}`);
  });
  nodes.push(node);
  return { account: node.account, signer: node.signer, address: node.addresses[0]! };
}

function nodeAt(index: number): RivuletNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  return node;
}

async function topUp(channelId: ChannelId, amount: bigint, times: number): Promise<undefined> {
  const node = nodeAt(0);
  for (let i = 0; i < times; i++) {
    const [before] = (await node.channel(channelId)).deposits;
    // The other side, which is away, does not count it; that the chain has it is enough.
    const enough = new AbortController();
    const counted = node.deposit(channelId, amount, { signal: enough.signal }).catch(() => {});
    while ((await node.channel(channelId)).deposits[0] === before) await sleep(5);
    enough.abort();
    await counted;
  }
}

async function settledMemory(): Promise<Memory> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("memory is only measured with --expose-gc");
  for (let i = 0; i < 5; i++) {
    await gc({ type: "major", execution: "async" });
    await sleep(100);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { resident: rss, heapUsed };
}

type Handlers = {
  readonly [Method in keyof NodeCalls]: (
    params: NodeCalls[Method]["params"],
  ) => Promise<NodeCalls[Method]["result"]>;
};

const handlers: Handlers = {
  start: (all) => Promise.all(all.map(start)),
  startDaemon: startOneDaemon,
  open: async ({ node, peer, deposit, match }) => {
    const options = { peer, deposit, requestDeposit: match, challengePeriod: CHALLENGE_PERIOD };
    return (await nodeAt(node).openChannel(options)).channelId;
  },
  ready: async ({ node, channelId }) => void (await nodeAt(node).ready(channelId)),
  topUp: ({ channelId, amount, times }) => topUp(channelId, amount, times),
  pay: (order) => pay(nodes, order, sent),
  payFirst: async ({ peer, channelId }) => {
    const node = nodeAt(0);
    await node.connect(peer);
    const { paymentId } = await node.pay({ channelId, amount: 1n });
    sent.addHex(paymentId, 1n);
  },
  sent: async () => sent.take(),
  seen: async () => seen.take(),
  effort: async () => {
    const { user, system } = process.cpuUsage();
    return { ...writes.count(), cpu: user + system };
  },
  memory: settledMemory,
  stop: async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await Promise.all(nodes.map((node) => node.stop()));
  },
};

// When the benchmark is gone, however it went, so are the processes it started.
process.once("disconnect", () => process.exit());
process.on("message", ({ id, method, params }: Request) => {
  const handler = handlers[method as keyof NodeCalls] as (params: unknown) => Promise<unknown>;
  const say = (reply: Reply) => process.send?.(reply);
  handler(params).then(
    (result) => say({ id, result }),
    (error: unknown) => say({ id, error: String(error) }),
  );
});

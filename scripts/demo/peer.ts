// One node of the demo and the application that uses it, in a process of their own.
import { pino } from "pino";
import { type Address, type ChannelId, createNode, type RivuletNode } from "rivulet";
import type { OpenOrder, PeerCalls, PeerNotice, PeerPlace, PeerStart } from "./control.ts";
import { payOrders } from "./paying.ts";
import { Receiving } from "./receiving.ts";
import { serve, tell } from "./serve.ts";

let node: RivuletNode;
let receiving: Receiving;

const note = (notice: PeerNotice) => tell(notice);
const channelOf = (channelId: string) => channelId as ChannelId;

async function start(options: PeerStart): Promise<PeerPlace> {
  const { directory, mnemonic, chain, listen, challengePeriod, mostMatchingDeposit } = options;
  node = await createNode({
    directory,
    mnemonic,
    rpcUrl: chain.rpcUrl,
    chainId: chain.chainId,
    escrow: chain.escrow as Address,
    escrowBlock: chain.block,
    listen: [listen],
    // The local chain mines a block per transaction, when there is one.
    confirmations: 1,
    staleAfter: "never",
    poll: { least: 50, most: 250 },
    policy: { challengePeriod: { least: challengePeriod, most: challengePeriod }, mostMatchingDeposit },
    log: pino({ name: options.name }, pino.destination({ dest: options.log, sync: true })),
  });
  node.on("dispute", ({ channelId, action, detail }) => note({ kind: "dispute", channelId, action, detail }));
  node.on("warning", ({ code, message }) => note({ kind: "warning", code, message }));
  receiving = new Receiving(node, note, (error) =>
    note({ kind: "warning", code: "receiving_failed", message: String(error) }),
  );
  return { account: node.account, address: node.addresses[0]! };
}

async function open({ peer, token, ...terms }: OpenOrder): Promise<string> {
  const opened = await node.openChannel({ peer, ...terms, ...(token && { token: token as Address }) });
  // Ours counts already; the other side's deposit follows it.
  await reached(opened.channelId, ({ receiveCapacity }) => receiveCapacity >= terms.requestDeposit);
  return opened.channelId;
}

type Wanted = (channel: Awaited<ReturnType<RivuletNode["channel"]>>) => boolean;

/** Resolves once a channel is as wanted, which only the chain or the other side changes. */
async function reached(channelId: ChannelId, wanted: Wanted): Promise<void> {
  const changed = Promise.withResolvers<void>();
  const look = () => {
    node.channel(channelId).then((channel) => wanted(channel) && changed.resolve(), changed.reject);
  };
  node.on("channel", look);
  const timer = setInterval(look, 100);
  look();
  try {
    await changed.promise;
  } finally {
    clearInterval(timer);
    node.off("channel", look);
  }
}

serve<PeerCalls>({
  start,
  open,
  watch: async ({ channelId, after }) => receiving.watch(channelOf(channelId), after),
  pay: (order) => payOrders(node, order, note),
  close: async ({ channelId }) => {
    const { paidOut } = await node.close(channelOf(channelId));
    return paidOut![0];
  },
  startClose: async ({ channelId }) => {
    // It resolves only once the channel is settled; the demo reads from the chain how far it is.
    node.close(channelOf(channelId), { mode: "unilateral" }).catch(() => {});
  },
  settled: ({ channelId }) => reached(channelOf(channelId), ({ phase }) => phase === "settled"),
  stop: async () => {
    await node.stop();
    receiving.handOn();
  },
});

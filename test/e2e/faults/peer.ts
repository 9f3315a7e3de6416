// A node in a process of its own, for tests that kill it. Speaks with its parent as control.ts says.
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type ChannelId, createNode, NodeError, type RivuletNode } from "rivulet";
import { openLevelStore } from "../../../dist/store/levelStore.js";
import { PowerLossStore } from "../../../dist/store/powerLossStore.js";
import type { Store } from "../../../dist/store/store.js";
import type {
  Arrived,
  CallName,
  Calls,
  Notice,
  Order,
  PayOrder,
  Request,
  Standing,
  Started,
  StartOrder,
} from "./control.ts";
import { Gate } from "./gate.ts";
import { GatedStore } from "./gatedStore.ts";

/** How long what is left of a crashed node may take to let go of its sockets. */
const STOP_MS = 10_000;

const tell = (notice: Notice) => void process.send?.(notice);
const gate = new Gate((step) => tell({ kind: "gate", step }));

interface Running {
  readonly node: RivuletNode;
  readonly power: PowerLossStore | undefined;
  readonly inner: Store;
}

let running: Running | undefined;

function node(): RivuletNode {
  if (running === undefined) throw new Error("no node runs");
  return running.node;
}

async function start({ options, store, repair }: StartOrder): Promise<Started> {
  let inner: Store | undefined;
  let power: PowerLossStore | undefined;
  const started = await createNode(options, {
    database: {
      ...(repair !== undefined && { repair }),
      openStore: async (directory) => {
        inner = await openLevelStore(directory);
        if (store.kind === "power") power = new PowerLossStore(inner, store);
        return new GatedStore(power ?? inner, gate);
      },
    },
  });
  running = { node: started, power, inner: inner! };
  started.on("payments", (batch) => tell({ kind: "arrived", update: arrived(batch) }));
  started.on("warning", ({ code, message }) => tell({ kind: "warning", code, message }));
  started.on("dispute", ({ action, detail }) => tell({ kind: "dispute", action, detail }));
  return { account: started.account, signer: started.signer, addresses: started.addresses };
}

function arrived(
  batch: Iterable<{ readonly paymentId: string; readonly amount: bigint }> & { readonly nonce: bigint },
): Arrived {
  const payments = Array.from(batch, ({ paymentId, amount }) => ({ id: paymentId, amount }));
  return { nonce: batch.nonce, payments };
}

/** The power goes: nothing that was not synced survives, nothing more is said, and the node is begun anew. */
async function crash(order: StartOrder): Promise<Started> {
  const { node: crashed, power, inner } = running!;
  running = undefined;
  if (power === undefined) throw new Error("this store cannot lose power");
  const cut = power.crash();
  gate.end();
  crashed.removeAllListeners();
  await cut;
  await Promise.race([crashed.stop(), sleep(STOP_MS, undefined, { ref: false })]);
  await inner.close();
  return start(order);
}

/** Pays every order, `width` at a time, and tells of each what became of it. */
async function pay({ channelId, orders, width }: PayOrder): Promise<undefined> {
  const paying = node();
  const queue = orders.values();
  const lane = async () => {
    for (const order of queue) await payOne(paying, channelId, order);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return undefined;
}

async function payOne(paying: RivuletNode, channelId: ChannelId, { id, amount }: Order): Promise<void> {
  try {
    await paying.pay({ channelId, amount, id: Buffer.from(id.slice(2), "hex") });
    await gate.reach("payer acknowledged");
  } catch (error) {
    tell({ kind: "unpaid", id, code: codeOf(error) });
    return;
  }
  // A node that failed meanwhile has told nobody.
  if (running?.node === paying) tell({ kind: "paid", id });
}

async function standing(channelId: ChannelId): Promise<Standing> {
  const info = await node().channel(channelId);
  const { sent, received, sendCapacity, receiveCapacity, phase, connected } = info;
  const { deposits, withdrawn, paidOut } = info;
  const totals = { sent, received, sendCapacity, receiveCapacity };
  return { ...totals, phase, connected, deposits, withdrawn, paidOut };
}

async function read(channelId: ChannelId, after: bigint): Promise<Arrived[]> {
  const updates: Arrived[] = [];
  for await (const batch of node().received(channelId, { after })) updates.push(arrived(batch));
  return updates;
}

type Handlers = { readonly [Name in CallName]: (order: Calls[Name][0]) => Promise<Calls[Name][1]> };

const HANDLERS: Handlers = {
  start,
  crash,
  pay,
  connect: async ({ address }) => done(await node().connect(address)),
  open: async (order) => {
    const { token, ...rest } = order;
    return (await node().openChannel({ ...rest, token: token as Address })).channelId;
  },
  ready: async ({ channelId }) => done(await node().ready(channelId)),
  standing: ({ channelId }) => standing(channelId),
  received: ({ channelId, after }) => read(channelId, after),
  withdraw: async ({ channelId, amount }) => done(await node().withdraw(channelId, amount)),
  close: async ({ channelId, mode, patience }) => {
    await node().close(channelId, { mode, ...(patience !== undefined && { patience }) });
    return standing(channelId);
  },
  arm: async ({ step, count, side }) => done(gate.arm(step, count, side)),
  disarm: async () => done(gate.disarm()),
  pass: async () => done(gate.pass()),
  stop: async () => done(await node().stop()),
};

/** An answer without content. */
function done(_result: unknown): undefined {
  return undefined;
}

function codeOf(error: unknown): string {
  if (error instanceof NodeError) return error.code;
  return (error as { code?: string } | undefined)?.code ?? String(error);
}

process.on("message", ({ call, name, order }: Request) => {
  const handle = HANDLERS[name] as (order: unknown) => Promise<unknown>;
  handle(order).then(
    (result) => tell({ kind: "answer", call, result }),
    (error: unknown) => tell({ kind: "refusal", call, code: codeOf(error), message: String(error) }),
  );
});
// A limit on the size of files is a full disk to this process, as long as the signal about it is not heard.
process.on("SIGXFSZ", () => {});
process.on("disconnect", () => process.exit());
tell({ kind: "loaded" });

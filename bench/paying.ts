import type { ChannelId, PaymentOrder, RivuletNode } from "rivulet";
import type { PayOrder, PayResult } from "./control.ts";
import { payThroughHttp } from "./httpPaying.ts";
import type { PaymentTally } from "./tally.ts";

/** A clock that says when no further payment is begun. */
type Going = () => boolean;

/** What one payer of this process made. */
interface Made {
  readonly payments: number;
  readonly latencies: readonly number[];
}

/** Different amounts, small enough that a channel carries hundreds of millions of them. */
function amountAt(index: number): bigint {
  return BigInt((index % 7) + 1);
}

async function sequentially(
  node: RivuletNode,
  channelId: ChannelId,
  going: Going,
  tally: PaymentTally,
): Promise<Made> {
  const latencies: number[] = [];
  while (going()) {
    const amount = amountAt(latencies.length);
    const started = performance.now();
    const { paymentId } = await node.pay({ channelId, amount });
    latencies.push(performance.now() - started);
    tally.addHex(paymentId, amount);
  }
  return { payments: latencies.length, latencies };
}

async function eachByItself(
  node: RivuletNode,
  channelId: ChannelId,
  going: Going,
  tally: PaymentTally,
): Promise<Made> {
  let payments = 0;
  while (going()) {
    const amount = amountAt(payments++);
    const { paymentId } = await node.pay({ channelId, amount });
    tally.addHex(paymentId, amount);
  }
  return { payments, latencies: [] };
}

async function inBatches(
  node: RivuletNode,
  channelId: ChannelId,
  going: Going,
  tally: PaymentTally,
  orders: readonly PaymentOrder[],
): Promise<Made> {
  const total = orders.reduce((sum, { amount }) => sum + amount, 0n);
  let payments = 0;
  while (going()) {
    const { ids } = await node.payMany(channelId, orders);
    tally.addIds(ids, total);
    payments += orders.length;
  }
  return { payments, latencies: [] };
}

/** Carries out `order` through `nodes` and tallies every payment once it is acknowledged. */
export async function pay(
  nodes: readonly RivuletNode[],
  order: PayOrder,
  tally: PaymentTally,
): Promise<PayResult> {
  const { manner, routes } = order;
  const orders =
    manner.kind === "batches"
      ? Array.from({ length: manner.size }, (_, index) => ({ amount: amountAt(index) }))
      : [];
  const started = performance.now();
  const end = started + order.milliseconds;
  const going = () => performance.now() < end;
  const payers: Promise<Made>[] = [];
  if (manner.kind === "http") {
    payers.push(payThroughHttp(manner, routes[0]!.channelIds[0]!, going, tally));
  } else
    for (const { node: index, channelIds } of routes) {
      const node = nodes[index]!;
      for (const channelId of channelIds) {
        if (manner.kind === "sequential") payers.push(sequentially(node, channelId, going, tally));
        else {
          for (let i = 0; i < manner.inFlight; i++) {
            const payer =
              manner.kind === "each"
                ? eachByItself(node, channelId, going, tally)
                : inBatches(node, channelId, going, tally, orders);
            payers.push(payer);
          }
        }
      }
    }
  const made = await Promise.all(payers);
  return {
    payments: made.reduce((sum, { payments }) => sum + payments, 0),
    milliseconds: performance.now() - started,
    latencies: Float64Array.from(made.flatMap(({ latencies }) => latencies)),
  };
}

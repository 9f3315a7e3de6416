import { Buffer } from "node:buffer";
import type { ChannelId, RivuletNode } from "rivulet";
import type { PayOrder, PayResult, PeerNotice } from "./control.ts";
import { orderAmount, orderId } from "./orders.ts";

/** How often receipts are reported. */
const REPORT_MS = 10;

/**
 * The paying side of an application: gives orders to the node one by one, each under its own id, a window of them at
 * once, and reports the receipts.
 */
export async function payOrders(
  node: RivuletNode,
  { channelId, book, indices, window }: PayOrder,
  note: (notice: PeerNotice) => void,
): Promise<PayResult> {
  const latencies = new Uint32Array(indices.length);
  let next = 0;
  let paid: number[] = [];
  const report = () => {
    note({ kind: "paid", book: book.number, asked: next, paid: Uint32Array.from(paid) });
    paid = [];
  };
  const one = async () => {
    while (next < indices.length) {
      const position = next++;
      const index = indices[position]!;
      const id = Buffer.from(orderId(book, index), "hex");
      const asked = performance.now();
      await node.pay({ channelId: channelId as ChannelId, amount: orderAmount(book, index), id });
      latencies[position] = Math.round((performance.now() - asked) * 1_000);
      paid.push(index);
    }
  };
  const timer = setInterval(report, REPORT_MS);
  try {
    await Promise.all(Array.from({ length: window }, one));
  } finally {
    clearInterval(timer);
    report();
  }
  return { latencies };
}

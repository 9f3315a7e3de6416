import { randomUUID } from "node:crypto";
import type { Hex } from "rivulet/protocol";
import { Client } from "undici";
import type { HttpManner } from "./control.ts";
import type { PaymentTally } from "./tally.ts";

/** Pays through a daemon's API, one payment after the other on each connection, and notes each payment's receipt. */
export async function payThroughHttp(
  manner: HttpManner,
  channelId: string,
  going: () => boolean,
  tally: PaymentTally,
): Promise<{ readonly payments: number; readonly latencies: readonly number[] }> {
  const { connections } = manner;
  const latencies: number[] = [];
  let payments = 0;
  const onConnection = async (client: Client) => {
    while (going()) {
      const amount = BigInt((payments++ % 7) + 1);
      const body = JSON.stringify({ channelId, amount: String(amount) });
      const started = performance.now();
      const receipt = await post(client, manner, body);
      latencies.push(performance.now() - started);
      if (receipt.amount !== String(amount)) throw new Error(`${receipt.amount} was paid, not ${amount}`);
      tally.addHex(receipt.paymentId as Hex, amount);
    }
  };
  const clients = Array.from({ length: connections }, () => new Client(manner.url));
  try {
    await Promise.all(clients.map(onConnection));
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
  return { payments, latencies };
}

interface Receipt {
  readonly paymentId: string;
  readonly amount: string;
}

async function post(client: Client, { accessToken }: HttpManner, body: string): Promise<Receipt> {
  const headers = {
    authorization: `Bearer ${accessToken}`,
    "content-type": "application/json",
    "idempotency-key": randomUUID(),
  };
  const answer = await client.request({ path: "/v1/payments", method: "POST", headers, body });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`a payment was answered with ${answer.statusCode}: ${text}`);
  return JSON.parse(text) as Receipt;
}

import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import type { Hex } from "rivulet/protocol";
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
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies: number[] = [];
  let payments = 0;
  const onConnection = async () => {
    while (going()) {
      const amount = BigInt((payments++ % 7) + 1);
      const body = JSON.stringify({ channelId, amount: String(amount) });
      const started = performance.now();
      const receipt = await post(agent, manner, body);
      latencies.push(performance.now() - started);
      if (receipt.amount !== String(amount)) throw new Error(`${receipt.amount} was paid, not ${amount}`);
      tally.addHex(receipt.paymentId as Hex, amount);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, onConnection));
  } finally {
    agent.destroy();
  }
  return { payments, latencies };
}

interface Receipt {
  readonly paymentId: string;
  readonly amount: string;
}

function post(agent: Agent, { url, accessToken }: HttpManner, body: string): Promise<Receipt> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "idempotency-key": randomUUID(),
    };
    const call = request(`${url}/v1/payments`, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as Receipt);
        else reject(new Error(`a payment was answered with ${response.statusCode}: ${text}`));
      });
    });
    call.on("error", reject);
    call.end(body);
  });
}

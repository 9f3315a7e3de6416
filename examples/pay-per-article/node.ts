// The few calls of a node's HTTP API that this example needs.
import { setTimeout as sleep } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";

/** A node of the development network, as `rivulet-dev.json` describes it. */
export interface NodePlace {
  readonly signer: string;
  readonly api: { readonly url: string; readonly token: string };
}

/** What shop and reader look up in `rivulet-dev.json`. */
export interface Network {
  readonly contracts: { readonly usdc: { readonly address: string; readonly decimals: number } };
  readonly nodes: readonly (NodePlace & { readonly name: string })[];
}

export interface Payment {
  readonly peer: string;
  readonly token: string;
  readonly amount: string;
  readonly reference?: string;
}

/** Pays a peer with which there is a channel. The same key pays once, however often it is asked. */
export async function pay(
  node: NodePlace,
  payment: {
    readonly peer: string;
    readonly token: string;
    readonly amount: string;
    readonly reference: string;
  },
  key: string,
): Promise<void> {
  await call(node, "POST", "/v1/payments", { "idempotency-key": key }, payment);
}

/** How long to wait before asking a node again that went away, milliseconds. */
const RETRY_MS = 1_000;

/**
 * Received payments as they come, each final: the node holds the payer's signature on its disk. Ends when `signal`
 * aborts; over a node's restart nothing is missed, because it goes on behind the last cursor it saw.
 */
export async function* received(node: NodePlace, signal: AbortSignal): AsyncGenerator<Payment> {
  // From the oldest event the node has kept: what came before we asked is told too.
  let after = "0";
  while (!signal.aborted) {
    try {
      const response = await fetch(
        `${node.api.url}/v1/events?types=payment&after=${encodeURIComponent(after)}`,
        {
          headers: { authorization: `Bearer ${node.api.token}` },
          signal,
        },
      );
      if (response.body === null || !response.ok) throw new Error(`the node answered ${response.status}`);
      const events = response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream());
      for await (const { id, data } of events) {
        if (id !== undefined) after = id;
        const { payment } = JSON.parse(data) as { payment?: Payment & { direction: string } };
        if (payment?.direction === "received") yield payment;
      }
    } catch {
      if (!signal.aborted) await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

async function call(
  { api }: NodePlace,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(api.url + path, {
    method,
    headers: {
      authorization: `Bearer ${api.token}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { code?: string; detail?: string };
  if (!response.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer;
}

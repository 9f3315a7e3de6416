// The few calls of a node's HTTP API that this example needs.

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

/** The newest received payments. They are final: the node holds the payer's signature on its disk. */
export async function received(node: NodePlace): Promise<readonly Payment[]> {
  const { items } = (await call(node, "GET", "/v1/payments?direction=received&limit=100")) as {
    items: readonly Payment[];
  };
  return items;
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

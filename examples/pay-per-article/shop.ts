// Sells articles, a fraction of a cent each. Run `rivulet dev` first, then: node shop.ts
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Network, received } from "./node.ts";

const ARTICLES: Readonly<Record<string, { readonly text: string; readonly price: bigint }>> = {
  "on-rivers": { text: "A river is made of drops that do not wait for each other.", price: 2_500n },
  "on-locks": { text: "A lock lifts a ship without anybody pushing.", price: 4_000n },
};

/** Orders that wait to be paid; the oldest give way. */
const MAX_ORDERS = 10_000;

interface Order {
  readonly article: string;
  readonly price: bigint;
  readonly paid: PromiseWithResolvers<true>;
}

/** The reader may be back before its payment's event is here, milliseconds. */
const PATIENCE_MS = 1_000;

/** Starts the shop of a network's second node; `port` 0 lets the system choose. */
export async function startShop(network: Network, port: number): Promise<Server> {
  const [, node] = network.nodes;
  const token = network.contracts.usdc.address;
  const orders = new Map<string, Order>();

  const watching = new AbortController();
  const watch = async () => {
    for await (const { reference = "", token: paidIn, amount } of received(node!, watching.signal)) {
      const order = orders.get(reference);
      if (order !== undefined && paidIn === token && BigInt(amount) >= order.price) order.paid.resolve(true);
    }
  };
  void watch();

  const answer = async (path: string): Promise<[status: number, body: unknown]> => {
    const { pathname, searchParams } = new URL(path, "http://shop");
    const name = pathname.replace(/^\/articles\//, "");
    const article = Object.hasOwn(ARTICLES, name) ? ARTICLES[name] : undefined;
    if (article === undefined) return [404, { error: "no such article" }];
    const reference = searchParams.get("reference") ?? "";
    const order = orders.get(reference);
    if (order?.article === name) {
      const paid = await Promise.race([order.paid.promise, sleep(PATIENCE_MS, false)]);
      if (paid) return [200, { text: article.text }];
    }
    const fresh = `0x${randomBytes(32).toString("hex")}`;
    if (orders.size >= MAX_ORDERS) orders.delete(orders.keys().next().value!);
    orders.set(fresh, { article: name, price: article.price, paid: Promise.withResolvers() });
    return [402, { peer: node!.signer, token, amount: String(article.price), reference: fresh }];
  };

  const server = createServer((request, response) => {
    answer(request.url ?? "/")
      .catch((error: unknown): [number, unknown] => [500, { error: String(error) }])
      .then(([status, body]) => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
  });
  server.once("close", () => watching.abort());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

if (import.meta.main) {
  const network = JSON.parse(readFileSync("rivulet-dev.json", "utf8")) as Network;
  await startShop(network, 8000);
  console.log("The shop is at http://127.0.0.1:8000/articles/on-rivers");
}

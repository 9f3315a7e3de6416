// Buys an article and prints it. Run the shop first, then: node reader.ts on-rivers
import { readFileSync } from "node:fs";
import { type Network, pay } from "./node.ts";

interface Offer {
  readonly peer: string;
  readonly token: string;
  readonly amount: string;
  readonly reference: string;
}

/** Reads an article; pays for it with the network's first node, if it costs at most `most` base units. */
export async function readArticle(
  network: Network,
  shop: string,
  name: string,
  most: bigint,
): Promise<string> {
  const [node] = network.nodes;
  const url = `${shop}/articles/${encodeURIComponent(name)}`;
  const asked = await fetch(url);
  if (asked.status !== 402) throw new Error(`the shop answered ${asked.status}`);
  const offer = (await asked.json()) as Offer;
  if (BigInt(offer.amount) > most) throw new Error(`the article costs ${offer.amount}, more than ${most}`);
  // The shop's reference is the key too: an order is paid once, even if this is tried again.
  await pay(node!, offer, offer.reference);
  // Once paid, it is final: the shop's node has it.
  const bought = await fetch(`${url}?reference=${offer.reference}`);
  if (bought.status !== 200) throw new Error(`paid, and the shop answered ${bought.status}`);
  return ((await bought.json()) as { text: string }).text;
}

if (import.meta.main) {
  const network = JSON.parse(readFileSync("rivulet-dev.json", "utf8")) as Network;
  const name = process.argv[2] ?? "on-rivers";
  console.log(await readArticle(network, "http://127.0.0.1:8000", name, 10_000n));
}

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Network } from "../../examples/pay-per-article/node.ts";
import { readArticle } from "../../examples/pay-per-article/reader.ts";
import { startShop } from "../../examples/pay-per-article/shop.ts";
import { type DevNetwork, describeNetwork, startNetwork } from "../../src/dev/index.ts";

let running: DevNetwork;
let network: Network;
let shop: Server;
let url: string;

beforeAll(async () => {
  running = await startNetwork({ nodes: 2, port: 0 });
  // What a program reads from the file.
  network = JSON.parse(JSON.stringify(describeNetwork(running))) as Network;
  shop = await startShop(network, 0);
  url = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
});

afterAll(async () => {
  shop?.close();
  await running?.close();
});

const ofReader = async () => {
  const { channelId } = running.channels.find(({ token }) => token === running.contracts.usdc.address)!;
  return running.nodes[0]!.node.channel(channelId);
};

describe("the example", () => {
  it("sells an article for its price, and no more", async () => {
    expect(await readArticle(network, url, "on-rivers", 2_500n)).toMatch(/^A river/);
    expect((await ofReader()).sent).toBe(2_500n);
    expect(await readArticle(network, url, "on-locks", 10_000n)).toMatch(/^A lock/);
    expect((await ofReader()).sent).toBe(6_500n);
  });

  it("gives nothing away: neither unpaid, nor for the reference of another article", async () => {
    const offer = (await (await fetch(`${url}/articles/on-rivers`)).json()) as { reference: string };
    const unpaid = await fetch(`${url}/articles/on-rivers?reference=${offer.reference}`);
    expect(unpaid.status).toBe(402);
    const before = (await ofReader()).sent;
    await expect(readArticle(network, url, "on-locks", 3_999n)).rejects.toThrow("more than 3999");
    await expect(readArticle(network, url, "constructor", 9n)).rejects.toThrow("404");
    expect((await ofReader()).sent).toBe(before);
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RivuletNode } from "../../../src/node/index.ts";
import type { ChannelId } from "../../../src/protocol/index.ts";
import { openLevelStore } from "../../../src/store/levelStore.ts";
import { PowerLossStore } from "../../../src/store/powerLossStore.ts";
import { seededRandom } from "../../../src/store/random.ts";
import type { Store } from "../../../src/store/store.ts";
import { freePort } from "../../support/freePort.ts";
import { openFunded, openWorld, type TestNode, type World } from "../support/world.ts";

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);
const LIVES = 8;
const DEPOSIT = 10n ** 15n;

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.stop());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A node whose power can be cut, and a reader of its events that goes on behind the last one it was told. */
class Victim {
  handle!: TestNode;
  readonly told: string[] = [];
  cursor = "0";
  lost = 0;
  #seed: number;
  #power!: PowerLossStore;
  #inner!: Store;
  #following: Promise<void> | undefined;
  readonly #seams = {
    database: {
      openStore: async (directory: string) => {
        this.#inner = await openLevelStore(directory);
        this.#power = new PowerLossStore(this.#inner, { seed: this.#seed++, tail: "none" });
        return this.#power;
      },
    },
  };

  constructor(first: number) {
    this.#seed = first;
  }

  async start(): Promise<void> {
    // Come back to after a cut: nobody else may have it then.
    const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`];
    this.handle = await world.node({ eventLog: {}, listen }, this.#seams);
    this.follow();
  }

  get node(): RivuletNode {
    return this.handle.node;
  }

  follow(): void {
    const { node } = this;
    this.#following = (async () => {
      for await (const event of node.history.events({ after: this.cursor })) {
        if (event.type === "payment") this.told.push(nameOf(event.payment));
        this.cursor = event.cursor;
      }
    })().catch(() => {});
  }

  async cut(): Promise<void> {
    const listen = this.node.addresses.map((address) => address.replace(/\/p2p\/.*/, ""));
    // In a moment in which the disk does not hold everything.
    while (this.#power.unsyncedBatches === 0) await this.node.records.put("test", "now", 1, { sync: false });
    this.lost += (await this.#power.crash()).lostBatches;
    await this.node.stop().catch(() => {});
    await this.#following;
    await this.#inner.close();
    await this.handle.restart(this.#seams, { listen });
    this.follow();
  }
}

function nameOf({ direction, nonce, index }: { direction: string; nonce: bigint; index: number }): string {
  return `${direction} ${nonce}.${index}`;
}

/** All payments of a node's channel by its own list. */
async function listed(node: RivuletNode, channelId: ChannelId): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await node.history.payments({ channelId, limit: 1_000, cursor });
    for (const payment of page.items) {
      if (!payment.final) throw new Error(`${nameOf(payment)} is not final`);
      names.push(nameOf(payment));
    }
    if (page.next === undefined) return names.sort();
    cursor = page.next;
  }
}

describe(`readers of two nodes that lose power while they pay each other (RIVULET_SEED=${seed})`, () => {
  it("are told every payment exactly once, in one order, sent and received", async () => {
    const random = seededRandom(seed);
    const victims = [new Victim(seed), new Victim(seed + 1_000)] as const;
    const [a, b] = victims;
    for (const victim of victims) await victim.start();
    const { channelId } = await openFunded(a.handle, b.handle, DEPOSIT);
    const canPay = async () => {
      for (const { node } of victims) {
        await node.ready(channelId);
        await vi.waitUntil(async () => (await node.channel(channelId)).sendCapacity > 0n, {
          timeout: 10_000,
        });
      }
    };
    await canPay();
    for (let life = 0; life < LIVES; life++) {
      for (const { node } of victims) {
        for (let i = 0; i < 10; i++) {
          const orders = Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({ amount: 1n }));
          // What is cut off is made up for by the other side, or was never paid.
          node.payMany(channelId, orders).catch(() => {});
          if (random() < 0.3) await pause(random() * 4);
        }
      }
      await pause(random() * 15);
      const cut = random() < 0.3 ? victims : [victims[random() < 0.5 ? 0 : 1]];
      await Promise.all(cut.map((victim) => victim.cut()));
      await a.node.connect(b.node.addresses[0]!);
      await canPay();
    }
    // One more each, behind everything that is resent.
    for (const { node } of victims) await node.pay({ channelId, amount: 1n });
    for (const { node } of victims) await node.pay({ channelId, amount: 1n });
    for (const victim of victims) {
      const all = await vi.waitUntil(
        async () => {
          const names = await listed(victim.node, channelId).catch(() => undefined);
          return names !== undefined && names.length <= victim.told.length ? names : undefined;
        },
        { timeout: 20_000 },
      );
      expect(victim.told.toSorted()).toEqual(all);
      const again: string[] = [];
      for await (const event of victim.node.history.events({ after: "0" })) {
        if (event.type === "payment") again.push(nameOf(event.payment));
        if (event.cursor === victim.cursor) break;
      }
      expect(again).toEqual(victim.told);
    }
    // A sync that is under way when the power goes still counts: such a cut loses nothing.
    expect(a.lost + b.lost).toBeGreaterThanOrEqual(LIVES / 2);
    const flipped = a.told.map((name) =>
      name.replace(/^\w+/, (word) => (word === "sent" ? "received" : "sent")),
    );
    expect(flipped.sort()).toEqual(b.told.toSorted());
  }, 180_000);
});

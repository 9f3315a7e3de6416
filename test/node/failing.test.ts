import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLevelStore } from "../../src/store/levelStore.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";
import type { Store } from "../../src/store/store.ts";
import { openFunded, openWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.stop());

const DEPOSIT = 10n ** 15n;
const idOf = (n: number) => new Uint8Array(16).fill(n);

describe("a node whose disk or whose time has come to an end", () => {
  it("lets go of its sockets when the disk fails with the last write of the stop", async () => {
    let power: PowerLossStore | undefined;
    let inner: Store | undefined;
    const alice = await world.node(
      {},
      {
        database: {
          openStore: async (directory) => {
            inner = await openLevelStore(directory);
            power = new PowerLossStore(inner, { seed: 1 });
            return power;
          },
        },
      },
    );
    const bob = await world.node();
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    // The acknowledgement is noted and waits for the next write, which the stop makes.
    await alice.node.pay({ channelId, amount: 1n });
    const [address] = alice.node.addresses;
    await power!.crash();
    await alice.node.stop();
    await inner!.close();
    expect(alice.node.addresses).toEqual([]);
    await expect(bob.node.connect(address!, { signal: AbortSignal.timeout(2_000) })).rejects.toThrow();
    await alice.restart();
    await alice.node.connect(bob.node.addresses[0]!);
    expect((await alice.node.pay({ channelId, amount: 2n })).nonce).toBe(2n);
  }, 30_000);

  it("refuses payments whose ids it was still looking up when it stopped, instead of leaving it waiting", async () => {
    let held: PromiseWithResolvers<void> | undefined;
    const looked = Promise.withResolvers<void>();
    const hold = (store: Store): Store => ({
      get: (key) => store.get(key),
      lookUp: (key) => store.lookUp(key),
      getMany: async (keys) => {
        if (held !== undefined) looked.resolve();
        const found = await store.getMany(keys);
        await held?.promise;
        return found;
      },
      range: (range) => store.range(range),
      write: (ops, options) => store.write(ops, options),
      flush: () => store.flush(),
      close: () => store.close(),
    });
    const alice = await world.node(
      {},
      {
        database: { openStore: async (directory) => hold(await openLevelStore(directory)) },
      },
    );
    const bob = await world.node();
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    held = Promise.withResolvers<void>();
    const paying = alice.node.payMany(channelId, [
      { amount: 1n, id: idOf(1) },
      { amount: 1n, id: idOf(2) },
    ]);
    paying.catch(() => {});
    await looked.promise;
    await alice.node.stop();
    held.resolve();
    await expect(paying).rejects.toMatchObject({ code: "node_stopped" });
  }, 30_000);
});

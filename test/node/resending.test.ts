import { cp, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEYSPACE } from "../../src/store/keys.ts";
import { openLevelStore } from "../../src/store/levelStore.ts";
import type { Store } from "../../src/store/store.ts";
import { openFunded, openWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.stop());

const DEPOSIT = 10n ** 15n;

/** A store that does not hand out updates while `held` is there. */
class SlowUpdates {
  held: PromiseWithResolvers<void> | undefined;
  readonly asked = Promise.withResolvers<void>();

  readonly open = async (directory: string): Promise<Store> => {
    const store = await openLevelStore(directory);
    const slow = this;
    return {
      get: (key) => store.get(key),
      lookUp: (key) => store.lookUp(key),
      getMany: (keys) => store.getMany(keys),
      async *range(range) {
        if (range.gte[0] === KEYSPACE.update && slow.held !== undefined) {
          slow.asked.resolve();
          await slow.held.promise;
        }
        yield* store.range(range);
      },
      write: (ops, options) => store.write(ops, options),
      flush: () => store.flush(),
      close: () => store.close(),
    };
  };
}

describe("a node that is still resending", () => {
  it("does not return to its peer what the peer has only just sent on the same session", async () => {
    const slow = new SlowUpdates();
    const alice = await world.node({}, { database: { openStore: slow.open } });
    const bob = await world.node();
    const { channelId } = await openFunded(bob, alice, DEPOSIT);
    const { directory } = bob.options;
    await bob.node.stop();
    await cp(directory, `${directory}-older`, { recursive: true });
    await bob.restart();
    await bob.node.connect(alice.node.addresses[0]!);
    await alice.node.pay({ channelId, amount: 1n });
    // Bob is put back to before the payment, so that Alice has something to resend.
    await bob.node.stop();
    await rm(directory, { recursive: true });
    await cp(`${directory}-older`, directory, { recursive: true });
    slow.held = Promise.withResolvers<void>();
    await bob.restart();
    await bob.node.connect(alice.node.addresses[0]!);
    await slow.asked.promise;
    await bob.node.pay({ channelId, amount: 2n });
    slow.held.resolve();
    slow.held = undefined;
    await alice.node.pay({ channelId, amount: 4n });
    await bob.node.pay({ channelId, amount: 8n });
    expect(bob.warnings).not.toContain("nonce_gap");
    expect(await bob.node.channel(channelId)).toMatchObject({ sent: 10n, received: 5n, connected: true });
  }, 60_000);
});

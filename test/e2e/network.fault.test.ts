import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../dist/store/random.js";
import { type Arena, openArena } from "./faults/arena.ts";
import { Pair } from "./faults/pair.ts";

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);

let arena: Arena;
let pair: Pair;

beforeAll(async () => {
  arena = await openArena();
  pair = await Pair.open(arena, "network", seed);
}, 60_000);

afterAll(async () => {
  await pair?.stop();
  await arena?.stop();
});

/** Both nodes pay each other; resolves with their two answers. */
function load(count: number): Promise<unknown> {
  const paying = ([0, 1] as const).map((who) =>
    pair.pay(
      who,
      pair.orders(who, count, (i) => BigInt(i + 1)),
      8,
    ),
  );
  return Promise.all(paying);
}

/** Nobody failed: what was begun ends without being asked for again. */
async function expectWhole(): Promise<void> {
  expect(pair.tallies.map((tally) => tally.unresolved().length)).toEqual([0, 0]);
  await pair.assertWhole();
}

describe(`a connection under load (RIVULET_SEED=${seed})`, () => {
  it("that is cut again and again, in the middle of messages too, loses nothing and doubles nothing", async () => {
    const random = seededRandom(seed);
    let cuts = 0;
    const paying = load(1_500);
    let done = false;
    void paying.finally(() => {
      done = true;
    });
    while (!done && cuts < 30) {
      const way = random() < 0.5 ? "out" : "back";
      const fate = (["lost", "torn", "delivered"] as const)[Math.floor(random() * 3)]!;
      const cut = Promise.withResolvers<void>();
      pair.wire.watch(way, 1 + Math.floor(random() * 20), async () => {
        // What the wire swallowed must not be followed by what came after it.
        setImmediate(() => {
          pair.wire.cut();
          cut.resolve();
        });
        return fate;
      });
      await Promise.race([cut.promise, sleep(1_000)]);
      if (done) break;
      cuts++;
      await pair.settleIn();
    }
    pair.wire.unwatch();
    await paying;
    expect(cuts).toBeGreaterThan(3);
    await expectWhole();
  }, 60_000);

  it("that freezes holds payments up and loses none, whichever side lets go first", async () => {
    const paying = load(200);
    pair.wire.freeze();
    await sleep(2_000);
    pair.wire.thaw();
    await paying;
    await expectWhole();
  }, 60_000);

  it("that freezes for good is let go of, and another one takes its place", async () => {
    const { channelId } = pair;
    pair.wire.freeze();
    const paying = load(50);
    // Pings go unanswered: twenty seconds at most.
    await sleep(21_000);
    const standings = await pair.standings();
    expect(standings.map(({ connected }) => connected)).toEqual([false, false]);
    pair.wire.thaw();
    pair.wire.cut();
    await pair.settleIn();
    await paying;
    await expectWhole();
    expect((await pair.players[0].call("standing", { channelId })).phase).toBe("open");
  }, 60_000);

  it("that is slow carries everything late", async () => {
    pair.wire.delayMs = 40;
    await load(100);
    pair.wire.delayMs = 0;
    await expectWhole();
  }, 60_000);

  it("whose peer's process stands still goes on when it does", async () => {
    const { process: frozen } = pair.players[1];
    const orders = pair.orders(0, 100, () => 3n);
    const paying = pair.pay(0, orders, 8);
    frozen!.freeze();
    await sleep(1_500);
    frozen!.thaw();
    await paying;
    await expectWhole();
  }, 60_000);
});

describe("after all of it", () => {
  it("the chain pays what the applications counted", async () => {
    await pair.players[1].call("close", { channelId: pair.channelId, mode: "cooperative" });
    await pair.assertPaidOut();
  }, 30_000);
});

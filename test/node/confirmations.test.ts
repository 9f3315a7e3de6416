import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFunded, openWorld, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;

let world: World;
let over = false;

beforeAll(async () => {
  world = await openWorld();
  void (async () => {
    for (; !over; await sleep(200)) await world.chain.provider.send("evm_mine", []).catch(() => {});
  })();
}, 60_000);

afterAll(async () => {
  over = true;
  await world?.stop();
});

describe("nodes that wait for three confirmations", () => {
  it("count both deposits, a later one and a withdrawal, with nothing else happening to the channel", async () => {
    const [alice, bob] = [await world.node({ confirmations: 3 }), await world.node({ confirmations: 3 })];
    const { channelId, sendCapacity, receiveCapacity } = await openFunded(alice, bob, DEPOSIT);
    expect([sendCapacity, receiveCapacity]).toEqual([DEPOSIT, DEPOSIT]);
    await alice.node.deposit(channelId, 500n);
    expect((await alice.node.channel(channelId)).sendCapacity).toBe(DEPOSIT + 500n);
    await bob.node.withdraw(channelId, 200n);
    await alice.node.pay({ channelId, amount: DEPOSIT + 500n });
    expect((await alice.node.close(channelId)).paidOut).toEqual([0n, 2n * DEPOSIT + 300n]);
  }, 50_000);
});

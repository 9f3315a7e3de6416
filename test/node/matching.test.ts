import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { CHALLENGE_PERIOD, openWorld, type World } from "./support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world?.stop());

it("matches what a peer asks for in the tokens that are named, up to their bounds, and nothing in others", async () => {
  const mostMatchingDeposit = { [world.tokenAddress]: 70n };
  const bob = await world.node({
    policy: { challengePeriod: { least: 60, most: 86_400 }, mostMatchingDeposit },
  });
  const alice = await world.node();
  const open = (token: typeof world.tokenAddress) =>
    alice.node.openChannel({
      peer: bob.node.addresses[0]!,
      token,
      deposit: 100n,
      requestDeposit: 100n,
      challengePeriod: CHALLENGE_PERIOD,
    });
  const inToken = await open(world.tokenAddress);
  const inCoin = await open(ZERO_ADDRESS);
  await vi.waitUntil(async () => (await alice.node.channel(inToken.channelId)).receiveCapacity === 70n, {
    timeout: 20_000,
  });
  await alice.node.pay({ channelId: inCoin.channelId, amount: 1n });
  expect((await alice.node.channel(inCoin.channelId)).deposits).toEqual([100n, 0n]);
});

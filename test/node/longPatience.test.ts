import { afterAll, beforeAll, expect, it } from "vitest";
import { openFunded, openWorld, type World } from "./support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world?.stop());

it("waits for a peer that is gone as long as it was told, also for longer than a timer can be set", async () => {
  const [alice, bob] = [await world.node(), await world.node()];
  const { channelId } = await openFunded(alice, bob, 1_000n);
  await bob.node.stop();
  const steps: string[] = [];
  const closing = alice.node.close(channelId, {
    patience: 60 * 24 * 3_600_000,
    signal: AbortSignal.timeout(2_000),
    onProgress: ({ step }) => steps.push(step),
  });
  await expect(closing).rejects.toMatchObject({ name: "TimeoutError" });
  expect(steps).toEqual(["signing"]);
  expect((await alice.node.channel(channelId)).phase).toBe("open");
});

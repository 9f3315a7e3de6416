import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { REMEMBERED_SECONDS } from "../../src/node/requests/forgetter.ts";
import { fromHex, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { collect } from "./support/collect.ts";
import { openFunded, openWorld, type World } from "./support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
}, 60_000);
afterAll(async () => {
  vi.useRealTimers();
  await world?.stop();
});

it("is gone after 30 days while the node runs, its key is free, and what pays it still is given back", async () => {
  let ahead = 0;
  const [alice, bob] = [await world.node(), await world.node()];
  await bob.node.stop();
  // Only the rounds that come each minute.
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  await bob.restart({ now: () => Date.now() / 1000 + ahead });
  const { channelId } = await openFunded(alice, bob, 10_000n);
  const ask = (idempotencyKey: string) =>
    bob.node.requests.make({ token: ZERO_ADDRESS, amount: 500n, expiresIn: 60, idempotencyKey });
  const [paid, unpaid] = [await ask("paid"), await ask("unpaid")];
  await alice.node.requests.pay(undefined, paid.request);
  const stored = await bob.node.records.get<{ secret: `0x${string}` }>(
    "request",
    unpaid.paymentHash.slice(0, 34),
  );
  ahead = REMEMBERED_SECONDS + 61;
  await vi.advanceTimersByTimeAsync(60_000);
  await expect
    .poll(() => bob.node.requests.get(unpaid.paymentHash).catch(({ code }) => code))
    .toBe("request_unknown");
  await expect(bob.node.requests.cancel(unpaid.paymentHash)).rejects.toMatchObject({
    code: "request_unknown",
  });
  const listed = await collect(bob.node.requests.list());
  expect(listed.map(({ request }) => request.paymentHash)).toEqual([paid.paymentHash]);
  const before = await bob.node.channel(channelId);
  const late = { id: fromHex(unpaid.paymentHash).slice(0, 16), reference: fromHex(stored!.secret) };
  await alice.node.pay({ channelId, amount: 500n, ...late });
  await expect.poll(async () => (await bob.node.channel(channelId)).sent).toBe(500n);
  expect((await bob.node.channel(channelId)).received - before.received).toBe(500n);
  const again = await ask("unpaid");
  expect(again.paymentHash).not.toBe(unpaid.paymentHash);
  expect((await ask("paid")).paymentHash).toBe(paid.paymentHash);
}, 60_000);

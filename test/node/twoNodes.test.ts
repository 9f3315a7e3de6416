import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Payment } from "../../src/node/index.ts";
import { type Address, ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
}, 60_000);

afterAll(() => world?.stop());

const DEPOSIT = 10n ** 15n;

describe.each([
  ["native coin", () => ZERO_ADDRESS],
  ["an ERC-20", () => world.tokenAddress],
])("two nodes with a channel in %s", (_name, tokenOf) => {
  it("open, pay both ways, and close together to what was paid", async () => {
    const token: Address = tokenOf();
    const { channelId, sendCapacity, receiveCapacity } = await openFunded(alice, bob, DEPOSIT, token);
    expect([sendCapacity, receiveCapacity]).toEqual([DEPOSIT, DEPOSIT]);
    const seen: Payment[] = [];
    bob.node.on("payment", (payment) => seen.push(payment));
    const receipt = await alice.node.pay({ channelId, amount: 5n });
    expect(seen.map(({ amount, paymentId }) => [amount, paymentId])).toEqual([[5n, receipt.paymentId]]);
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => alice.node.pay({ channelId, amount: BigInt(i + 1) })),
    );
    expect(seen).toHaveLength(201);
    expect(new Set(seen.map(({ paymentId }) => paymentId)).size).toBe(201);
    const paid = 5n + (200n * 201n) / 2n;
    await bob.node.pay({ channelId, amount: 1_000n });
    expect((await alice.node.channel(channelId)).sendCapacity).toBe(DEPOSIT - paid + 1_000n);
    const steps: string[] = [];
    const closed = await alice.node.close(channelId, { onProgress: ({ step }) => steps.push(step) });
    expect(steps).toEqual(["stopped", "agreed", "settled"]);
    expect(closed.paidOut).toEqual([DEPOSIT - paid + 1_000n, DEPOSIT + paid - 1_000n]);
    bob.node.removeAllListeners("payment");
  }, 30_000);

  it("settle alone after the challenge period when the peer is gone", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT, tokenOf());
    await alice.node.pay({ channelId, amount: 7n });
    await bob.node.pay({ channelId, amount: 9n });
    const steps: string[] = [];
    const onProgress = ({ step }: { step: string }) => void steps.push(step);
    const closing = alice.node.close(channelId, { mode: "unilateral", onProgress });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await world.pass(700);
    const closed = await closing;
    expect(steps).toEqual(["closing", "challengePeriod", "settled"]);
    expect(closed.paidOut).toEqual([DEPOSIT - 7n + 9n, DEPOSIT + 7n - 9n]);
  }, 30_000);

  it("withdraw while open", async () => {
    const token: Address = tokenOf();
    const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
    await alice.node.pay({ channelId, amount: 300n });
    const before = await world.balance(token, bob.node.account);
    await bob.node.withdraw(channelId, DEPOSIT + 200n);
    const gained = (await world.balance(token, bob.node.account)) - before;
    if (token !== ZERO_ADDRESS) expect(gained).toBe(DEPOSIT + 200n);
    expect((await bob.node.channel(channelId)).sendCapacity).toBe(100n);
    await bob.node.pay({ channelId, amount: 100n });
    await expect(bob.node.pay({ channelId, amount: 1n })).rejects.toMatchObject({
      code: "insufficient_capacity",
    });
    const closed = await bob.node.close(channelId);
    expect(closed.paidOut).toEqual([0n, DEPOSIT - 200n]);
  }, 30_000);
});

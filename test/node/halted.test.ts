import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChannelId } from "../../src/node/index.ts";
import { Liar } from "./support/liar.ts";
import { openWorld, type TestNode, type World } from "./support/world.ts";

const DEPOSIT = 10n ** 15n;
/** More and less than half of what Alice waits for a close to be completed, seconds. */
const [MORE_THAN_HALF, LESS_THAN_HALF] = [400, 250];

let world: World;
let alice: TestNode;
const liars: Liar[] = [];

beforeAll(async () => {
  world = await openWorld();
  // Not behind our clock, which counts too.
  await world.pass(Math.max(1, Math.ceil(Date.now() / 1000) + 60 - (await world.chain.time())));
  alice = await world.node();
}, 60_000);

afterAll(async () => {
  for (const liar of liars) await liar.stop();
  await world?.stop();
});

async function openLiar(): Promise<Liar> {
  const liar = await Liar.open(world, alice, DEPOSIT);
  liars.push(liar);
  return liar;
}

const statusOf = async (id: ChannelId) => Number((await world.escrow.channelState(id)).status);
const [OPEN, CLOSING] = [1, 2];

/** Says that it stops, and nothing more. */
async function stopAndFallSilent(liar: Liar): Promise<void> {
  liar.say({ kind: "closeStop", channelId: liar.channelId, sentNonce: liar.state.sent.nonce });
  await liar.told("closeStop");
  await expect(alice.node.pay({ channelId: liar.channelId, amount: 1n })).rejects.toMatchObject({
    code: "channel_stopped",
  });
}

describe("a peer that stops for a close and never signs it", () => {
  it("is left behind after a while, over a restart, unless there is nothing to win", async () => {
    const [rich, poor] = [await openLiar(), await openLiar()];
    await alice.node.pay({ channelId: poor.channelId, amount: DEPOSIT });
    for (const liar of [rich, poor]) await stopAndFallSilent(liar);
    const alone: ChannelId[] = [];
    const note = ({ channelId, action }: { channelId: ChannelId; action: string }) => {
      if (action === "closing") alone.push(channelId);
    };
    alice.node.on("dispute", note);
    await world.pass(MORE_THAN_HALF);
    await alice.node.stop();
    expect(alone).toEqual([]);
    await alice.restart();
    alice.node.on("dispute", note);
    await world.pass(LESS_THAN_HALF);
    await expect.poll(() => statusOf(rich.channelId), { timeout: 20_000 }).toBe(CLOSING);
    expect(alone).toEqual([rich.channelId]);
    expect(await statusOf(poor.channelId)).toBe(OPEN);
    await world.pass(700);
    await expect
      .poll(async () => (await alice.node.channel(rich.channelId)).paidOut, { timeout: 20_000 })
      .toEqual([DEPOSIT, DEPOSIT]);
  }, 60_000);
});

describe("a peer that does not sign although Alice wants to close", () => {
  it("is left behind too when nobody waits for the close any more, whatever there is to win", async () => {
    const [liar, other] = [await openLiar(), await openLiar()];
    await alice.node.pay({ channelId: liar.channelId, amount: DEPOSIT });
    const waiting = new AbortController();
    const closing = alice.node.close(liar.channelId, { signal: waiting.signal, patience: 3_600_000 });
    closing.catch(() => {});
    await liar.told("closeStop");
    await stopAndFallSilent(other);
    await world.pass(700);
    await expect.poll(() => statusOf(other.channelId), { timeout: 20_000 }).toBe(CLOSING);
    // Whoever waits has a patience of their own.
    expect(await statusOf(liar.channelId)).toBe(OPEN);
    waiting.abort(new Error("gone home"));
    await expect(closing).rejects.toThrow("gone home");
    await world.pass(700);
    await expect.poll(() => statusOf(liar.channelId), { timeout: 20_000 }).toBe(CLOSING);
  }, 60_000);
});

describe("a peer that announces a close for ever and never speaks of it", () => {
  it("is left behind as well", async () => {
    const liar = await openLiar();
    const { announced } = liar.state.terms;
    const credits = { ...announced, closeLive: true, sequence: announced.sequence + 1n };
    liar.say({ kind: "credited", channelId: liar.channelId, credits });
    const pay = () => alice.node.pay({ channelId: liar.channelId, amount: 1n });
    await expect.poll(() => pay().catch(({ code }) => code)).toBe("channel_stopped");
    const later = async () => {
      await world.pass(MORE_THAN_HALF);
      return statusOf(liar.channelId);
    };
    await expect.poll(later, { timeout: 20_000, interval: 500 }).toBe(CLOSING);
  }, 60_000);
});

import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { LimitsPolicy, Receipt, Spender, SpendingGate } from "../../../src/node/index.ts";
import type { Address, ChannelId } from "../../../src/protocol/index.ts";
import { openFunded, openWorld, type TestNode, type World } from "../support/world.ts";

/** What each side of the channel has deposited, base units. */
export const DEPOSIT = 10n ** 15n;
export const NONE: LimitsPolicy = { node: [], peers: [], onLimit: "refuse" };

/** Alice spends a token over one channel with Bob. Whoever imports this gets a world of their own, before all tests. */
export let world: World;
export let alice: TestNode;
export let bob: TestNode;
export let token: Address;
export let channelId: ChannelId;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node({ eventLog: {} }), await world.node()];
  token = world.tokenAddress;
  ({ channelId } = await openFunded(alice, bob, DEPOSIT, token));
}, 60_000);

afterAll(() => world?.stop());

afterEach(async () => {
  await spending().setPolicy(NONE);
  await spending().unfreeze();
});

let spenders = 0;

/** A spender that nobody was before. */
export function spenderOf(rest: Omit<Spender, "id"> = {}): Spender {
  return { id: `s${spenders++}`, ...rest };
}

export function spending(): SpendingGate {
  return alice.node.spending;
}

export function pay(
  spender: Spender | undefined,
  amount: bigint,
  id: Uint8Array = randomBytes(16),
): Promise<Receipt> {
  return spending().pay(spender, { channelId, amount, id });
}

export async function sent(): Promise<bigint> {
  return (await alice.node.channel(channelId)).sent;
}

import { afterAll, beforeAll, expect, it } from "vitest";
import { escrowInterface } from "../../src/chain/escrow.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { FUNDS, openWorld, type World } from "./support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
}, 60_000);
afterAll(() => world?.stop());

const MOVED = `0x${"ee".repeat(20)}`;
const CHANNEL_ID_OF = escrowInterface.getFunction("channelIdOf").selector.slice(2);

/** Answers `channelIdOf` with ones, and hands everything else on to the code at {@link MOVED}. */
const NAMES_OTHERWISE =
  `0x5f3560e01c63${CHANNEL_ID_OF}14603b57365f5f375f5f365f73${MOVED.slice(2)}5af4` +
  `3d5f5f3e6037573d5ffd5b3d5ff35b7f${"11".repeat(32)}5f5260205ff3`;

it("gives no money to a contract that names channels otherwise", async () => {
  const [alice, bob] = [await world.node(), await world.node()];
  const code = await world.chain.provider.getCode(world.escrowAddress);
  const set = (address: string, bytes: string) =>
    world.chain.provider.send("anvil_setCode", [address, bytes]);
  await set(MOVED, code);
  await set(world.escrowAddress, NAMES_OTHERWISE);
  const open = () =>
    alice.node.openChannel({ peer: bob.node.addresses[0]!, deposit: 1_000n, challengePeriod: 600 });
  await expect(open()).rejects.toMatchObject({ code: "rpc_bad_answer" });
  expect(await world.balance(ZERO_ADDRESS, alice.node.account)).toBe(FUNDS);
  await set(world.escrowAddress, code);
  expect(await open()).toMatchObject({ phase: "open" });
}, 60_000);

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUNDS, openFunded, openWorld, type TestNode, type World } from "./support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(), await world.node()];
}, 60_000);

afterAll(() => world?.stop());

const DEPOSIT = 10n ** 15n;
/** What is waited for comes, however busy the machine is: the test's own time is the bound. */
const EVENT = { timeout: 100_000 };

describe("a cooperative close that lapses because nobody could pay for its transaction", () => {
  it("is followed by closing alone, so that who asked to close is not left waiting", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 3n });
    const fund = (wei: bigint) =>
      Promise.all(
        [alice, bob].map(({ node }) =>
          world.chain.provider.send("anvil_setBalance", [node.account, `0x${wei.toString(16)}`]),
        ),
      );
    await fund(0n);
    const alone: string[] = [];
    alice.node.on("dispute", ({ action }) => alone.push(action));
    const closing = alice.node.close(channelId);
    await expect.poll(() => alice.warnings, EVENT).toContain("gas_wallet_empty");
    await world.pass(2_000);
    await expect.poll(() => alone, EVENT).toContain("closing");
    await fund(FUNDS);
    await expect.poll(() => alone, EVENT).toContain("startClose");
    const recorded = async () => (await world.escrow.recordedProof(channelId, alice.node.account)).nonce;
    await expect.poll(recorded, EVENT).toBe(1n);
    await world.pass(700);
    expect((await closing).paidOut).toEqual([DEPOSIT - 3n, DEPOSIT + 3n]);
  }, 120_000);
});

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
    const fund = ({ node }: TestNode, wei: bigint) =>
      world.chain.provider.send("anvil_setBalance", [node.account, `0x${wei.toString(16)}`]);
    await Promise.all([fund(alice, 0n), fund(bob, 0n)]);
    const told = ({ node }: TestNode) => {
      const actions: string[] = [];
      node.on("dispute", ({ action }) => actions.push(action));
      return actions;
    };
    const [toldAlice, toldBob] = [told(alice), told(bob)];
    const closing = alice.node.close(channelId);
    await expect.poll(() => alice.warnings, EVENT).toContain("gas_wallet_empty");
    await world.pass(2_000);
    await expect.poll(() => toldAlice, EVENT).toContain("closing");
    // Bob would close alone as well: were he given gas now, either's close could be the first.
    await fund(alice, FUNDS);
    await expect.poll(() => toldAlice, EVENT).toContain("startClose");
    await expect.poll(async () => (await bob.node.channel(channelId)).closeDeadline, EVENT).toBeDefined();
    await fund(bob, FUNDS);
    await expect.poll(() => toldBob, EVENT).toContain("challenge");
    expect((await world.escrow.recordedProof(channelId, alice.node.account)).nonce).toBe(1n);
    await world.pass(700);
    expect((await closing).paidOut).toEqual([DEPOSIT - 3n, DEPOSIT + 3n]);
  }, 120_000);
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OperationProgress, Payment } from "../../src/node/index.ts";
import { type Address, type ChannelId, ZERO_ADDRESS } from "../../src/protocol/index.ts";
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

/** Notes what an operation tells, and its steps in order, each once; fails each time, which must change nothing. */
function watched() {
  const told: OperationProgress[] = [];
  const steps: string[] = [];
  const onProgress = (progress: OperationProgress): void => {
    told.push(progress);
    if (!steps.includes(progress.step)) steps.push(progress.step);
    throw new Error("a bug of the application");
  };
  return { told, steps, onProgress };
}

/** Where the transaction of a step was said to be, in order. */
function stagesOf(told: readonly OperationProgress[], step: OperationProgress["step"]) {
  return told.filter((one) => one.step === step).map(({ progress }) => progress?.stage);
}

/** What both nodes tell of disputes about a channel from now on. */
function disputesOf(channel: ChannelId): string[] {
  const told: string[] = [];
  for (const { node } of [alice, bob]) {
    node.on("dispute", ({ channelId, action, detail }) => {
      if (channelId === channel) told.push(`${node.signer} ${action} ${detail}`);
    });
  }
  return told;
}

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
    const tokens = new Set<Address>();
    bob.node.on("payments", (batch) => tokens.add(batch.token));
    const receipt = await alice.node.pay({ channelId, amount: 5n });
    expect(seen.map(({ amount, paymentId }) => [amount, paymentId])).toEqual([[5n, receipt.paymentId]]);
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => alice.node.pay({ channelId, amount: BigInt(i + 1) })),
    );
    expect(seen).toHaveLength(201);
    expect(new Set(seen.map(({ paymentId }) => paymentId)).size).toBe(201);
    expect([...tokens]).toEqual([token]);
    const paid = 5n + (200n * 201n) / 2n;
    await bob.node.pay({ channelId, amount: 1_000n });
    expect((await alice.node.channel(channelId)).sendCapacity).toBe(DEPOSIT - paid + 1_000n);
    const { steps, told, onProgress } = watched();
    const disputes = disputesOf(channelId);
    const closed = await alice.node.close(channelId, { onProgress });
    expect(steps).toEqual(["signing", "agreed", "settling", "settled"]);
    await expect
      .poll(async () => (await bob.node.channel(channelId)).phase, { timeout: 10_000 })
      .toBe("settled");
    expect(disputes).toEqual([]);
    expect(told.every((one) => one.channelId === channelId)).toBe(true);
    const deadline = told.find(({ step }) => step === "agreed")!.until;
    expect(deadline).toBeGreaterThan(BigInt(await world.chain.time()));
    expect(told.find(({ step }) => step === "settling")!.until).toBe(deadline);
    expect(stagesOf(told, "settling")).toContain("sent");
    expect(closed.paidOut).toEqual([DEPOSIT - paid + 1_000n, DEPOSIT + paid - 1_000n]);
    bob.node.removeAllListeners("payment");
    bob.node.removeAllListeners("payments");
  }, 30_000);

  it("pay once for an id, together, in batches and afterwards, and nothing else under it", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT, tokenOf());
    const [id, other] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
    const order = { channelId, amount: 5n, id };
    const together = await Promise.all([alice.node.pay(order), alice.node.pay(order)]);
    const batch = [
      { amount: 5n, id },
      { amount: 6n, id: other },
      { amount: 6n, id: other },
    ];
    const { runs } = await alice.node.payMany(channelId, batch);
    const receipts = [...together, await alice.node.pay(order)];
    const places = [
      ...receipts.map(({ nonce, index }) => `${nonce}/${index}`),
      `${runs[0]!.nonce}/${runs[0]!.first}`,
    ];
    expect(new Set(places).size).toBe(1);
    expect(runs[2]).toEqual(runs[1]);
    await expect(alice.node.pay({ ...order, amount: 4n })).rejects.toMatchObject({
      code: "payment_conflict",
    });
    expect((await alice.node.channel(channelId)).sent).toBe(11n);
    await alice.node.close(channelId);
  }, 30_000);

  it("settle alone after the challenge period when the peer is gone", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT, tokenOf());
    let bobAnswered = false;
    const disputes = disputesOf(channelId);
    bob.node.on("dispute", ({ action, detail }) => {
      if (action === "challenge" && detail.startsWith("confirmed")) bobAnswered = true;
    });
    await alice.node.pay({ channelId, amount: 7n });
    await bob.node.pay({ channelId, amount: 9n });
    const { steps, told, onProgress } = watched();
    const closing = alice.node.close(channelId, { mode: "unilateral", onProgress });
    await expect.poll(() => steps, { timeout: 10_000 }).toContain("challengePeriod");
    const { deadline } = await world.escrow.channelState(channelId);
    expect(told.find(({ step }) => step === "challengePeriod")!.until).toBe(deadline);
    await expect.poll(() => alice.node.channel(channelId).then(({ phase }) => phase)).toBe("closing");
    // Bob's answer has to be on chain before the time for it is over.
    await expect.poll(() => bobAnswered, { timeout: 10_000 }).toBe(true);
    await world.pass(700);
    const closed = await closing;
    // Whichever of the two is quicker settles.
    expect(steps.filter((step) => step !== "settling")).toEqual(["closing", "challengePeriod", "settled"]);
    expect(told[0]!.reason).toBe("asked for by the application");
    expect(stagesOf(told, "closing")).toEqual(expect.arrayContaining(["sent", "mined"]));
    expect(told).toContainEqual(
      expect.objectContaining({
        step: "closing",
        progress: expect.objectContaining({ stage: "mined", needed: 1 }),
      }),
    );
    expect(closed.paidOut).toEqual([DEPOSIT - 7n + 9n, DEPOSIT + 7n - 9n]);
    expect(new Set(disputes).size).toBe(disputes.length);
    expect(disputes).toContainEqual(expect.stringMatching(`^${alice.node.signer} startClose confirmed 0x`));
    expect(disputes).toContainEqual(expect.stringMatching(`^${bob.node.signer} closeSeen deadline`));
    // Asked again it tells what there is, instead of starting anything.
    const again = watched();
    expect(await alice.node.close(channelId, { onProgress: again.onProgress })).toEqual(closed);
    // Our own settlement may still be on its way, behind the other's.
    expect(again.steps.filter((step) => step !== "settling")).toEqual(["settled"]);
  }, 30_000);

  it("withdraw while open", async () => {
    const token: Address = tokenOf();
    const { channelId } = await openFunded(alice, bob, DEPOSIT, token);
    await alice.node.pay({ channelId, amount: 300n });
    const before = await world.balance(token, bob.node.account);
    const { steps, told, onProgress } = watched();
    await bob.node.withdraw(channelId, DEPOSIT + 200n, { onProgress });
    expect(steps).toEqual(["signing", "withdraw", "withdrawn"]);
    const deadline = told[0]!.until;
    expect(deadline).toBeGreaterThan(BigInt(await world.chain.time()));
    expect(stagesOf(told, "withdraw")).toContain("sent");
    expect(told.find(({ step }) => step === "withdraw")!.until).toBe(deadline);
    const gained = (await world.balance(token, bob.node.account)) - before;
    if (token !== ZERO_ADDRESS) expect(gained).toBe(DEPOSIT + 200n);
    expect((await bob.node.channel(channelId)).sendCapacity).toBe(100n);
    // The next one waits for no deadline of the first.
    await bob.node.withdraw(channelId, 40n);
    expect((await bob.node.channel(channelId)).sendCapacity).toBe(60n);
    await bob.node.pay({ channelId, amount: 60n });
    await expect(bob.node.pay({ channelId, amount: 1n })).rejects.toMatchObject({
      code: "insufficient_capacity",
    });
    const closed = await bob.node.close(channelId);
    expect(closed.paidOut).toEqual([0n, DEPOSIT - 240n]);
  }, 30_000);
});

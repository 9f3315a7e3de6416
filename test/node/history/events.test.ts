import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HistoryEvent } from "../../../src/node/history/history.ts";
import type { RivuletNode } from "../../../src/node/index.ts";
import type { ChannelId } from "../../../src/protocol/index.ts";
import { openBoth, openWorld, type TestNode, type World } from "../support/world.ts";

let world: World;
let alice: TestNode;
let bob: TestNode;
const LOG = { eventLog: {} };
const DEPOSIT = 10n ** 15n;

beforeAll(async () => {
  world = await openWorld();
  [alice, bob] = [await world.node(LOG), await world.node(LOG)];
}, 60_000);

afterAll(() => world?.stop());

type PaymentEvent = Extract<HistoryEvent, { type: "payment" }>;

/** Events behind `after` until `enough` of them satisfy. */
async function collect(
  node: RivuletNode,
  after: string | undefined,
  enough: (events: HistoryEvent[]) => boolean,
  types?: HistoryEvent["type"][],
): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const event of node.history.events({ after, types, signal: AbortSignal.timeout(20_000) })) {
    events.push(event);
    if (enough(events)) break;
  }
  return events;
}

const payments = async (node: RivuletNode, after: string | undefined, count: number) =>
  (await collect(node, after, ({ length }) => length === count, ["payment"])) as PaymentEvent[];

const brief = ({ payment }: PaymentEvent) =>
  `${payment.direction} ${payment.nonce}.${payment.index} ${payment.amount}`;

describe("the events of a node", () => {
  let channelId: ChannelId;

  it("tell both sides of every payment once it is final, and of the channel's phases", async () => {
    ({ channelId } = await openBoth(alice, bob, DEPOSIT));
    await collect(alice.node, "0", (events) =>
      events.some((event) => event.type === "channel" && event.phase === "open"),
    );
    const receipt = await alice.node.pay({ channelId, amount: 5n });
    await bob.node.pay({ channelId, amount: 7n });
    const [sent, received] = await payments(alice.node, "0", 2);
    expect([brief(sent!), brief(received!)]).toEqual(["sent 1.0 5", "received 1.0 7"]);
    expect(sent!.payment).toMatchObject({
      channelId,
      paymentId: receipt.paymentId,
      peer: bob.node.signer,
      final: true,
      label: undefined,
    });
    expect(Math.abs(Date.now() - sent!.payment.time)).toBeLessThan(60_000);
    expect((await payments(bob.node, "0", 2)).map(brief)).toEqual(["received 1.0 5", "sent 1.0 7"]);
  }, 60_000);

  it("go on in the middle of an update with thousands of payments, and over restarts of the node", async () => {
    const amounts = Array.from({ length: 6_000 }, (_, i) => ({ amount: BigInt(i + 1) }));
    const [{ cursor }] = (await payments(bob.node, "0", 2)).slice(-1) as [PaymentEvent];
    await alice.node.payMany(channelId, amounts);
    const all = await payments(bob.node, cursor, 6_000);
    expect(all.map(({ payment }) => payment.amount)).toEqual(amounts.map(({ amount }) => amount));
    for (const at of [0, 1_234, 3_854, 3_855, 3_856, 5_998]) {
      const [next] = await payments(bob.node, all[at]!.cursor, 1);
      expect(brief(next!)).toBe(brief(all[at + 1]!));
    }
    const middle = all[2_500]!.cursor;
    await bob.node.stop();
    await bob.restart();
    const rest = await payments(bob.node, middle, 6_000 - 2_501);
    expect(rest.map(brief)).toEqual(all.slice(2_501).map(brief));
    const sent = await payments(alice.node, "0", 6_002);
    expect(sent.filter(({ payment }) => payment.direction === "sent")).toHaveLength(6_001);
  }, 60_000);

  it("are appended by others, in one batch with what they tell of, and filtered by type", async () => {
    const { history, records } = alice.node;
    const next = collect(alice.node, undefined, ({ length }) => length === 2, ["operation", "decision"]);
    await history.append("approval", { id: "x" });
    await history.append("operation", { id: "1" });
    const ops = [records.putOp("test", "decision", 2)];
    await history.append("decision", { id: "2" }, { ops, sync: true });
    expect(await records.get("test", "decision")).toBe(2);
    expect((await next).map((event) => "data" in event && event.data)).toEqual([{ id: "1" }, { id: "2" }]);
  }, 60_000);

  it("end with the node", async () => {
    const carol = await world.node(LOG);
    const ended = expect(carol.node.history.events().next()).rejects.toThrow("stopping");
    await carol.node.stop();
    await ended;
  }, 60_000);
});

describe("a node without the option", () => {
  it("records nothing and says so", async () => {
    const dave = await world.node();
    expect(() => dave.node.history.events()).toThrow(expect.objectContaining({ code: "history_off" }));
    const ops = [dave.node.records.putOp("test", "operation", 1)];
    await dave.node.history.append("operation", {}, { ops, sync: true });
    expect(await dave.node.records.get("test", "operation")).toBe(1);
  }, 60_000);
});

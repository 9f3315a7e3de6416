import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChannelId } from "../../src/node/index.ts";
import { boundWarnings, logTrouble } from "../../src/node/warnings.ts";
import { Liar, paymentOf } from "./support/liar.ts";
import { openWorld, type TestNode, type World } from "./support/world.ts";

let world: World;
let alice: TestNode;
let liar: Liar;

beforeAll(async () => {
  world = await openWorld();
  alice = await world.node();
  liar = await Liar.open(world, alice, 10n ** 15n);
}, 60_000);

afterAll(async () => {
  await liar?.stop();
  await world?.stop();
});

describe("a peer that lies and refuses all the time", () => {
  it("is warned of a few times, and counted, whatever codes it makes up", async () => {
    const told: { code: string; message: string }[] = [];
    alice.node.on("warning", (warning) => told.push(warning));
    const { channelId } = liar;
    for (let i = 0; i < 300; i++) {
      liar.say({ kind: "refuse", channelId, code: i === 7 ? "disk_full" : `made_up_${i}`, fields: {} });
      // A close it never stopped for: refused, and no lie.
      liar.say({ ...liar.signClose(0n, 1n), channelId });
    }
    const update = liar.sign(paymentOf(5n));
    liar.pay(update);
    await liar.told("ack");
    expect(told.map(({ code }) => code).sort()).toEqual([
      ...Array(3).fill("peer_refused"),
      ...Array(3).fill("updates_outstanding"),
    ]);
    await alice.node.stop();
    const last = told.slice(6);
    expect(last.map(({ code }) => code).sort()).toEqual(["peer_refused", "updates_outstanding"]);
    for (const { message } of last) expect(message).toMatch(/and 297 more like it within a minute\)$/);
  }, 30_000);
});

describe("warnings of other matters", () => {
  it("are told beside a flood, and other events are not held back", () => {
    const told: unknown[] = [];
    const emit = boundWarnings((name, ...args) => void told.push([name, ...args]), AbortSignal.any([]));
    const flood = { code: "nonce_gap", message: "x", channelId: `0x${"1".repeat(64)}` as ChannelId };
    for (let i = 0; i < 100; i++) emit("warning", flood);
    const other = { code: "nonce_gap", message: "y", channelId: `0x${"2".repeat(64)}` as ChannelId };
    emit("warning", other);
    for (let i = 0; i < 9; i++) emit("channel", { channelId: flood.channelId, phase: "open" });
    expect(told).toHaveLength(3 + 1 + 9);
    expect(told).toContainEqual(["warning", other]);
  });
});

describe("a warning while the node starts", () => {
  it("is told to whoever listens as soon as there is a node", async () => {
    await world.chain.provider.send("evm_mine", []);
    const now = () => Date.now() / 1000 - 600;
    const { warnings } = await world.node({ staleAfter: 86_400 }, { now });
    await expect.poll(() => warnings, { timeout: 10_000 }).toContain("clock_skew");
    // Once: before there was anybody to listen, and not again.
    expect(warnings.filter((code) => code === "clock_skew")).toHaveLength(1);
  });
});

describe("the log of a node whose server is away", () => {
  it("does not grow with its channels", () => {
    const lines: string[] = [];
    const log = { warn: (_fields: object, message: string) => lines.push(message) };
    for (let i = 0; i < 10_000; i++) logTrouble(log as never, { channelId: i }, "it could not be read");
    expect(lines).toEqual(Array(3).fill("it could not be read"));
  });
});

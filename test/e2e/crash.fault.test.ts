import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Arena, openArena } from "./faults/arena.ts";
import { CrashSeries, type SeriesResult } from "./faults/crashSeries.ts";
import { flipByte } from "./faults/flipByte.ts";
import { Pair } from "./faults/pair.ts";
import { PLAIN } from "./faults/player.ts";
import { STEPS } from "./faults/steps.ts";
import { Broken } from "./faults/tally.ts";
import { liveThrough } from "./faults/wholeLife.ts";

const seed = Number(process.env.RIVULET_SEED ?? Date.now() % 1_000_000);
/** Failures of a node in each of the two series. */
const FAILURES = Number(process.env.RIVULET_FAILURES ?? 100);

/** On a busy machine a series ends here, and then needs at least half of its failures. */
const PATIENCE_MS = 120_000;

let arena: Arena;

beforeAll(async () => {
  arena = await openArena();
}, 60_000);

afterAll(() => arena?.stop());

function expectSpread(result: SeriesResult): void {
  console.log(JSON.stringify(result));
  expect(result.failures).toBeGreaterThanOrEqual(FAILURES / 2);
  const least = Math.floor(result.rounds / STEPS.length / 2);
  expect(least).toBeGreaterThan(0);
  for (const step of STEPS) expect([step, result.byStep[step] >= least]).toEqual([step, true]);
  for (const count of Object.values(result.byFailure)) expect(count).toBeGreaterThan(0);
  for (const count of Object.values(result.byVictim)) expect(count).toBeGreaterThan(0);
}

describe(`kill -9 and power loss of either and both nodes under load (RIVULET_SEED=${seed})`, () => {
  it("lose no acknowledged payment and apply none twice, and the chain pays what was counted", async () => {
    const options = { failures: FAILURES, until: AbortSignal.timeout(PATIENCE_MS) };
    const results = await Promise.all([
      liveThrough(arena, "cooperative", "cooperative", { ...options, seed }),
      liveThrough(arena, "unilateral", "unilateral", { ...options, seed: seed + 1 }),
    ]);
    for (const result of results) expectSpread(result);
  }, 175_000);
});

describe("the test of power loss", () => {
  it("fails when syncs are taken for done", async () => {
    const pair = await Pair.open(arena, "unsynced", seed);
    try {
      const unsynced = new CrashSeries(pair, { seed, failures: 40, ignoreSync: true });
      await expect(unsynced.run()).rejects.toThrow(Broken);
    } finally {
      await pair.stop();
    }
  }, 60_000);
});

describe("a flipped byte in a database", () => {
  it.each([
    ["the first", 0],
    ["the second", 1],
  ] as const)(
    "of %s node is noticed, and its peer brings back what was lost",
    async (_name, who) => {
      const pair = await Pair.open(arena, `flipped${who}`, seed + 2 + who);
      try {
        for (const payer of [0, 1] as const)
          await pair.pay(
            payer,
            pair.orders(payer, 100, (i) => BigInt(i + 1)),
            4,
          );
        await pair.assertWhole();
        const player = pair.players[who];
        await player.stop();
        await flipByte(`${player.options.directory}/level`, seed);
        const refused = await player.start(PLAIN).then(
          () => undefined,
          (error: { code?: string }) => error.code,
        );
        if (refused !== undefined) {
          expect(refused).toBe("database_damaged");
          await player.kill();
          await player.start(PLAIN, true);
        }
        expect(await player.warned("database_lost_data")).toContain("lost data");
        // What it may have signed and lost lapses within the hour: only then it meets its peer.
        await arena.pass(3_700);
        await pair.settleIn();
        await pair.assertWhole();
        await pair.pay(
          who,
          pair.orders(who, 3, () => 5n),
          1,
        );
        await pair.assertWhole();
        await pair.players[who].call("close", { channelId: pair.channelId, mode: "cooperative" });
        await pair.assertPaidOut();
      } finally {
        await pair.stop();
      }
    },
    60_000,
  );
});

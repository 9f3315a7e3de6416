import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Arena, openArena } from "./faults/arena.ts";
import { Pair } from "./faults/pair.ts";
import { PeerProcess } from "./faults/peerProcess.ts";
import { PLAIN } from "./faults/player.ts";

/** 384 KiB in blocks of 512 bytes: a few hundred payments. */
const FILE_BLOCKS = 768;

let arena: Arena;

beforeAll(async () => {
  arena = await openArena();
}, 60_000);

afterAll(() => arena?.stop());

describe("a disk that takes no more under load", () => {
  it.each([
    ["the payer's", 0],
    ["the payee's", 1],
  ] as const)(
    "%s stops its node with a clear word, and costs nobody anything",
    async (_whose, who) => {
      const pair = await Pair.open(arena, `full${who}`, 1 + who);
      try {
        const player = pair.players[who];
        await player.stop();
        await player.start(PLAIN, undefined, new PeerProcess(FILE_BLOCKS));
        await pair.settleIn();
        const paying = pair
          .pay(
            0,
            pair.orders(0, 3_000, () => 2n),
            4,
          )
          .catch(() => {});
        expect(await player.warned("disk_full")).toContain("the node stops");
        await player.kill();
        await player.start(PLAIN);
        await pair.settleIn();
        await paying;
        expect(pair.tallies[0].unresolved().length > 0 || who === 1).toBe(true);
        await pair.resolve();
        await pair.assertWhole();
        await pair.players[0].call("close", { channelId: pair.channelId, mode: "cooperative" });
        await pair.assertPaidOut();
      } finally {
        await pair.stop();
      }
    },
    180_000,
  );
});

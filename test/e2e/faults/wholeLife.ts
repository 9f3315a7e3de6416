import type { CloseMode } from "rivulet";
import type { Arena } from "./arena.ts";
import { CrashSeries, type SeriesOptions, type SeriesResult } from "./crashSeries.ts";
import { Pair } from "./pair.ts";

/**
 * A pair from its channel's opening over a series of failures to its close; then the chain must have paid what the
 * applications counted. Throws `Broken` if anything was not as promised.
 */
export async function liveThrough(
  arena: Arena,
  name: string,
  ending: CloseMode,
  options: SeriesOptions,
): Promise<SeriesResult> {
  const pair = await Pair.open(arena, name, options.seed);
  try {
    const result = await new CrashSeries(pair, options).run();
    await (ending === "cooperative"
      ? closeCooperatively(pair)
      : inTurn(arena, () => closeUnilaterally(pair)));
    await pair.assertPaidOut();
    return result;
  } finally {
    await pair.stop();
  }
}

const turns = new WeakMap<Arena, Promise<void>>();

/** Whoever lets a challenge period pass lets it pass for every channel of the chain: one ending after the other. */
function inTurn(arena: Arena, end: () => Promise<void>): Promise<void> {
  const ended = (turns.get(arena) ?? Promise.resolve()).then(end);
  turns.set(
    arena,
    ended.catch(() => {}),
  );
  return ended;
}

async function closeCooperatively({ players, channelId }: Pair): Promise<void> {
  await players[0].call("close", { channelId, mode: "cooperative" });
}

async function closeUnilaterally(pair: Pair): Promise<void> {
  const { players, channelId, tallies, arena } = pair;
  const closing = players[1].call("close", { channelId, mode: "unilateral" });
  await pair.untilOnChain("closing");
  // The other one answers with what it was paid.
  if (tallies[1].total > 0n) await players[0].disputed("challenge");
  await arena.pass(700);
  await closing;
}

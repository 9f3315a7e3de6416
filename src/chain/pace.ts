import type { Header } from "./eth.ts";

/** How often the chain is asked for its head. */
export interface PollPace {
  /** Milliseconds; also the pace while nothing is known of the chain's own. Default 1,000. */
  readonly minPollMs: number;
  /** Milliseconds. Default 15,000: seldom enough for any plan, soon enough for any deadline. */
  readonly maxPollMs: number;
}

/** Failures in a row after which the pause stops growing. */
const MAX_DOUBLINGS = 5;

/** Milliseconds to the next poll: the chain's block time within the bounds; doubling, with jitter, while polls fail. */
export function pollDelay(headers: readonly Header[], pace: PollPace, failures: number): number {
  const { minPollMs, maxPollMs } = pace;
  if (failures > 0) {
    const pause = Math.min(maxPollMs, minPollMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS));
    return pause * (0.75 + Math.random() / 2);
  }
  return Math.min(maxPollMs, Math.max(minPollMs, blockTimeMs(headers) ?? minPollMs));
}

/** The mean time between the known blocks, or undefined for fewer than two. */
function blockTimeMs(headers: readonly Header[]): number | undefined {
  const [first, last] = [headers[0], headers.at(-1)];
  if (first === undefined || last === undefined || last.number === first.number) return undefined;
  return ((last.timestamp - first.timestamp) * 1000) / (last.number - first.number);
}

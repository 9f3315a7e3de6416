import { ChainError, type ChainFailure } from "./error.ts";
import type { Eth, Header } from "./eth.ts";
import type { CallOptions } from "./jsonRpc.ts";
import type { Trail } from "./trail.ts";

/** What a head may claim before it is taken for a lie. */
export interface HeadLimits {
  /** Blocks a reorganisation may take; a deeper one stops the watcher. */
  readonly reorgBound: number;
  /** Seconds a block's time may lie ahead of our clock; undefined on chains whose time is set by hand, where no time is a lie. */
  readonly maxFutureSeconds: number | undefined;
}

/** No chain makes more blocks per second of its own time; a head that claims so would carry the cursor past real blocks. */
const MAX_BLOCKS_PER_SECOND = 20;

/** Blocks a head may jump regardless of time: chains that mine on demand mint many in one second. */
const FREE_JUMP = 5_000;

/** Throws `rpc_lying_head` for a head that no honest server gives after what the trail holds. `now`: Unix seconds. */
export function checkHead(head: Header, trail: Trail, limits: HeadLimits, now: number): void {
  const { maxFutureSeconds, reorgBound } = limits;
  if (maxFutureSeconds !== undefined && head.timestamp > now + maxFutureSeconds) {
    throw lie("future", now, head.timestamp);
  }
  const known = trail.newest;
  if (known === undefined) return;
  if (head.number < known.number - reorgBound) throw lie("went_back", known.number, head.number);
  const elapsed = Math.max(0, head.timestamp - known.timestamp);
  if (head.number - known.number > FREE_JUMP + MAX_BLOCKS_PER_SECOND * elapsed) {
    throw lie("jumped", known.number, head.number);
  }
}

/** Throws `rpc_lying_head` when time would run backwards from a block that stands to the head above it. */
export function checkTime(head: Header, trail: Trail, limits: HeadLimits): void {
  const below = trail.headerUpTo(head.number);
  if (limits.maxFutureSeconds === undefined || below === undefined) return;
  if (below.timestamp > head.timestamp) throw lie("time_went_back", below.timestamp, head.timestamp);
}

/** What a known block is taken for that the server does not have, though its head is higher. */
export type MissingBlock =
  /** Two servers behind one address: their answers contradict each other, and the poll fails. */
  | "contradiction"
  /** Replaced: the server has said so too often for a passing lag. */
  | "replaced";

/** How a new head follows what we knew. */
export type Follows =
  /** The chain grew from block `ancestor`, our newest. */
  | { readonly kind: "extends"; readonly ancestor: number }
  /** The head is behind ours on the same chain: a server that lags. Nothing to do. */
  | { readonly kind: "lags" }
  /** Everything above `ancestor` was replaced. */
  | { readonly kind: "reorganises"; readonly ancestor: number };

/**
 * Decides with as few headers as possible: none when the head's parent is our newest block, one when
 * it moved by several, a binary search over the known headers after a reorganisation.
 */
export async function follow(
  head: Header,
  trail: Trail,
  eth: Eth,
  limits: HeadLimits,
  missing: MissingBlock,
  options: CallOptions,
): Promise<Follows> {
  const isCanonical = (known: Header) => stands(known, eth, missing, options);
  const newest = trail.newest;
  if (newest === undefined) return { kind: "extends", ancestor: trail.cursor };
  if (head.number === newest.number + 1 && head.parentHash === newest.hash) {
    return { kind: "extends", ancestor: newest.number };
  }
  if (head.number > newest.number) {
    const grows = head.number > newest.number + 1 && (await isCanonical(newest));
    if (grows) return { kind: "extends", ancestor: newest.number };
  } else {
    const below = trail.headerUpTo(head.number);
    const same =
      below?.number === head.number
        ? below.hash === head.hash
        : below === undefined || (await isCanonical(below));
    // A shorter fork looks the same until it grows past a block we know; then it is found out.
    if (same) return { kind: "lags" };
  }
  const candidates = trail.headers.filter(({ number }) => number < Math.min(head.number, newest.number));
  const ancestor = await newestCanonical(candidates, isCanonical);
  return { kind: "reorganises", ancestor: ancestor?.number ?? floorOf(trail, newest, limits) };
}

/** Headers stand up to some point and fall after it, so a binary search finds the newest that stands. */
async function newestCanonical(
  headers: readonly Header[],
  isCanonical: (known: Header) => Promise<boolean>,
): Promise<Header | undefined> {
  let low = 0;
  let high = headers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await isCanonical(headers[middle]!)) low = middle + 1;
    else high = middle;
  }
  return headers[low - 1];
}

async function stands(
  known: Header,
  eth: Eth,
  missing: MissingBlock,
  options: CallOptions,
): Promise<boolean> {
  const header = await eth.header(known.number, options);
  if (header === undefined && missing === "contradiction") {
    throw new ChainError({ code: "rpc_inconsistent", reason: BLOCK_MISSING, block: known.number });
  }
  return header?.hash === known.hash;
}

/** The reason of a contradiction that {@link MissingBlock} is about. */
export const BLOCK_MISSING = "a block below the head is missing";

/** Where to read from when no known header stands: only allowed while the trail is shorter than the bound. */
function floorOf(trail: Trail, newest: Header, limits: HeadLimits): number {
  const oldest = trail.headers[0]!.number;
  if (newest.number - oldest >= limits.reorgBound) throw lie("deep_reorganisation", oldest, newest.number);
  return Math.max(-1, newest.number - limits.reorgBound - 1);
}

type Lie = Extract<ChainFailure, { code: "rpc_lying_head" }>["reason"];

function lie(reason: Lie, known: number, told: number): ChainError {
  return new ChainError({ code: "rpc_lying_head", reason, known, told });
}

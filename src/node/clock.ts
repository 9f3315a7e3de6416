import { failureOf } from "../chain/error.ts";
import { DEFAULT_MAX_FUTURE_SECONDS, type WatcherStatus } from "../chain/watcher.ts";
import { NodeError } from "./error.ts";

/** Our clock and the newest block may differ by this many seconds before one of them is wrong: far above any block time. */
export const CLOCK_TOLERANCE_SECONDS = 300;

/** New blocks in a row that must be old before our clock is blamed: one may be the first after a silence. */
const OLD_BLOCKS = 3;

/** A server that catches up tells old blocks too, but its time runs faster than ours, by more than this many seconds. */
const PACE_SLACK_SECONDS = 60;

interface ClockInit {
  /** Our clock, Unix seconds. */
  readonly now: () => number;
  /** Seconds that only ever grow, whoever sets the clock. */
  readonly steady: () => number;
}

/** Compares our clock with the chain's. Payments wait while they cannot both be right. */
export class ClockCheck {
  readonly #init: ClockInit;
  #newest: { readonly timestamp: number; readonly steady: number } | undefined;
  /** New blocks in a row that came at the chain's own pace and were old. */
  #old = 0;
  /** What the newest refused head was in our future, seconds. */
  #refused: number | undefined;

  constructor(init: ClockInit) {
    this.#init = init;
  }

  /** Takes in what the watcher says. */
  observe(status: WatcherStatus): void {
    if (status.kind === "outage") {
      const { failure } = status;
      const future = failure.code === "rpc_lying_head" && failure.reason === "future";
      this.#refused = future ? failure.told - failure.known : undefined;
    } else if (status.kind === "recovered") this.#refused = undefined;
    else if (status.kind === "head") this.#head(status.head.timestamp);
  }

  /** Seconds since a new block was heard of, whatever the clock says; undefined before the first. */
  get silence(): number | undefined {
    return this.#newest === undefined ? undefined : this.#init.steady() - this.#newest.steady;
  }

  /** Seconds our clock is ahead of the chain's (behind: negative) when that cannot be right, else undefined. */
  get skew(): number | undefined {
    if (this.#refused !== undefined) return -Math.round(this.#refused);
    if (this.#newest === undefined) return undefined;
    const ahead = Math.round(this.#init.now() - this.#newest.timestamp);
    if (ahead < -CLOCK_TOLERANCE_SECONDS) return ahead;
    return ahead > CLOCK_TOLERANCE_SECONDS && this.#old >= OLD_BLOCKS ? ahead : undefined;
  }

  /** Our clock lies so far behind that the age of blocks says nothing. */
  get isFarBehind(): boolean {
    return (this.skew ?? 0) < -DEFAULT_MAX_FUTURE_SECONDS;
  }

  #head(timestamp: number): void {
    const steady = this.#init.steady();
    const before = this.#newest;
    this.#newest = { timestamp, steady };
    const isOld = this.#init.now() - timestamp > CLOCK_TOLERANCE_SECONDS;
    const pace = before === undefined ? 0 : timestamp - before.timestamp - (steady - before.steady);
    this.#old = isOld && pace <= PACE_SLACK_SECONDS ? this.#old + 1 : 0;
  }
}

/** What a start that failed for the clock throws instead, in words for whoever can set it. */
export function startFailure(error: unknown): unknown {
  const failure = failureOf(error);
  if (failure?.code !== "rpc_lying_head" || failure.reason !== "future") return error;
  return clockSkewed(Math.round(failure.known - failure.told), { cause: error });
}

export function clockSkewed(skew: number, options?: ErrorOptions): NodeError {
  const fields = { skew: BigInt(skew), limit: BigInt(CLOCK_TOLERANCE_SECONDS) };
  return new NodeError({ code: "clock_skew", fields }, options);
}

/** One line for people. */
export function describeSkew(skew: number): string {
  const direction = skew > 0 ? "ahead of" : "behind";
  return `this machine's clock is ${Math.abs(skew)} s ${direction} the chain's newest block: set the clock, or look at the chain's servers if it is right`;
}

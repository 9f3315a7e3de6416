import type { Address, ChannelId } from "../../protocol/index.ts";
import { type Records, timePrefix } from "../records.ts";

export type Verdict = "refused" | "held" | "frozen" | "approved" | "denied" | "thawed" | "expired";

/** What was decided about spending, and why; kept for audit. */
export interface Decision {
  readonly id: string;
  /** Unix seconds. */
  readonly time: number;
  readonly verdict: Verdict;
  /** The rule that decided, for example `node.perDay` or `velocity`. */
  readonly rule: string;
  readonly reason: string;
  readonly spender?: string | undefined;
  readonly peer?: Address | undefined;
  readonly channelId?: ChannelId | undefined;
  readonly token?: Address | undefined;
  readonly amount?: bigint | undefined;
  /** How often the same was decided within a minute; the first one's text is kept. */
  readonly count: number;
}

export interface NewDecision extends Omit<Decision, "id" | "time" | "count"> {
  /** Whose flood this would be part of, see `answererOf`. Default: the spender's. */
  readonly answersAs?: string | undefined;
}

type Stored = Omit<Decision, "id" | "amount"> & { readonly amount?: string };

const NAMESPACE = "decision";

/** Kept; older ones go. About 500 bytes each. */
const MAX_KEPT = 100_000;
/** How many beyond that gather before the oldest are removed. */
const PRUNE_BATCH = 1_000;

/** The same decision about the same spender is one entry for this long: nobody can wash the log out with refusals. */
const COALESCE_MS = 60_000;

/** Rules of which there is one per token that an owner named or has channels in: refusals by others name any token. */
const PER_TOKEN = /^((budget|node|peer)\.|velocity$)/;

/** Different spenders and rules at once that are coalesced. */
const MAX_RECENT = 10_000;

interface Recent {
  readonly key: string;
  readonly until: number;
  stored: Stored;
}

/** The audit log of limits and alarms. */
export class Decisions {
  readonly #records: Records;
  readonly #recent = new Map<string, Recent>();
  #sequence = 0;
  #kept: number;
  #pruning: Promise<void> | undefined;

  private constructor(records: Records, kept: number) {
    this.#records = records;
    this.#kept = kept;
  }

  static async open(records: Records): Promise<Decisions> {
    return new Decisions(records, await records.count(NAMESPACE));
  }

  /** Writes a decision down; resolves with it once written. What repeats itself is counted instead, and gives undefined. */
  async add(decision: NewDecision, now = Date.now()): Promise<Decision | undefined> {
    const { verdict, rule, token } = decision;
    const by = decision.answersAs ?? decision.spender ?? "";
    const same = `${verdict}/${rule}/${by}/${PER_TOKEN.test(rule) ? token : ""}`;
    const recent = this.#recent.get(same);
    if (recent !== undefined && now < recent.until && decision.verdict === "refused") {
      recent.stored = { ...recent.stored, count: recent.stored.count + 1 };
      // Powers of two are enough to show a flood, and one write in a thousand at its height.
      if ((recent.stored.count & (recent.stored.count - 1)) === 0) await this.#put(recent.key, recent.stored);
      return undefined;
    }
    const { amount, answersAs: _, ...rest } = decision;
    const stored: Stored = {
      ...rest,
      time: Math.floor(now / 1000),
      count: 1,
      ...(amount !== undefined && { amount: `${amount}` }),
    };
    const key = `${timePrefix(now)}-${(this.#sequence++).toString(36).padStart(6, "0")}`;
    this.#remember(same, { key, until: now + COALESCE_MS, stored });
    await this.#put(key, stored);
    this.#kept++;
    this.#prune();
    return fromStored(key, stored);
  }

  /** Newest first, from behind the one named `after`. */
  async *list(options: {
    readonly after?: string | undefined;
    readonly limit: number;
  }): AsyncGenerator<Decision> {
    const entries = this.#records.list<Stored>(NAMESPACE, { ...options, reverse: true });
    for await (const { key, value } of entries) yield fromStored(key, value);
  }

  #put(key: string, stored: Stored): Promise<void> {
    return this.#records.put(NAMESPACE, key, stored, { sync: false });
  }

  #remember(same: string, recent: Recent): void {
    this.#recent.delete(same);
    this.#recent.set(same, recent);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > MAX_RECENT) this.#recent.delete(oldest!);
  }

  #prune(): void {
    if (this.#kept < MAX_KEPT + PRUNE_BATCH || this.#pruning !== undefined) return;
    // A log that cannot be cut now is cut with the next decision.
    this.#pruning = this.#cut()
      .catch(() => {})
      .finally(() => {
        this.#pruning = undefined;
      });
  }

  async #cut(): Promise<void> {
    for await (const { key } of this.#records.list(NAMESPACE, { limit: this.#kept - MAX_KEPT })) {
      await this.#records.delete(NAMESPACE, key, { sync: false });
      this.#kept--;
    }
  }
}

function fromStored(id: string, { amount, ...rest }: Stored): Decision {
  return { ...rest, id, amount: amount === undefined ? undefined : BigInt(amount) };
}

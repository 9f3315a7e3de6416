import type { Address, ChannelId, Hex } from "../../protocol/index.ts";
import type { ChannelCheck, Report } from "./channelCheck.ts";
import type { NodeRecord, PayoutRecord } from "./statementRecord.ts";

/** A payout of an account that a chain logged: refused and kept by the escrow, or fetched from there. Base units. */
export type LoggedPayout = {
  readonly transaction: Hex;
  readonly token: Address;
  readonly amount: bigint;
} & (
  | {
      readonly kind: "credited";
      readonly channelId: ChannelId;
      /** The total of the withdrawal that was refused; undefined where it was the settlement. */
      readonly withdrawn: bigint | undefined;
    }
  | { readonly kind: "fetched"; readonly to: Address }
);

/** `time`: of its block, Unix milliseconds. */
export type ShownPayout = LoggedPayout & { readonly time: number };

/**
 * A node notes what happened when it is confirmed, by its own clock, and the parts of one transaction one by one: what lies
 * this close to an end of the statement's period may stand in the statement beside it. Milliseconds.
 */
const BLUR = 3_600_000;

/** Compares the payouts a statement lists with those a chain shows: none is made up, none is left out. */
export class PayoutCheck {
  readonly #node: NodeRecord;
  readonly #report: Report;
  readonly #shown: readonly ShownPayout[];
  /** Those that no record has told yet. */
  readonly #untold = new Map<string, ShownPayout[]>();
  /** What the channels' movements say was paid out, and the escrow kept. */
  readonly #due = new Set<ShownPayout>();

  constructor(node: NodeRecord, shown: readonly ShownPayout[], report: Report) {
    this.#node = node;
    this.#report = report;
    this.#shown = shown;
    for (const payout of shown) {
      const key = keyOf(payout);
      this.#untold.set(key, [...(this.#untold.get(key) ?? []), payout]);
    }
  }

  take(record: PayoutRecord): void {
    if (this.#untold.get(keyOf(record))?.shift() !== undefined) return;
    const text = `the chain shows no such payout ${record.kind} in ${record.transaction}, or it is listed twice`;
    this.#report("chain_mismatch", text);
  }

  /** Notes what of a channel's payouts must be listed, since the statement says that it was paid. */
  channel({ record, paidOut }: ChannelCheck): void {
    for (const shown of this.#shown) {
      if (shown.kind !== "credited" || shown.channelId !== record.channelId) continue;
      const isTold = paidOut.some(
        ({ withdrawn, time }) => withdrawn === shown.withdrawn && this.#isWithin(time),
      );
      if (isTold) this.#due.add(shown);
    }
  }

  finish(): void {
    const { peer, token } = this.#node.filter;
    if (peer !== undefined) return;
    for (const shown of [...this.#untold.values()].flat()) {
      if (token !== undefined && shown.token !== token) continue;
      const isDue = shown.kind === "fetched" ? this.#isWithin(shown.time) : this.#due.has(shown);
      if (!isDue) continue;
      const at = new Date(shown.time).toISOString();
      const text = `the chain shows a payout ${shown.kind} in ${shown.transaction}, ${at}, that is not listed`;
      this.#report("chain_mismatch", text, shown.kind === "credited" ? shown.channelId : undefined);
    }
  }

  #isWithin(time: number): boolean {
    const { filter, madeAt } = this.#node;
    const to = Math.min(filter.to ?? madeAt, madeAt);
    return time < to - BLUR && (filter.from === undefined || time >= filter.from + BLUR);
  }
}

function keyOf(payout: ShownPayout | PayoutRecord): string {
  const { kind, transaction, token, amount } = payout;
  return [kind, transaction, token, amount, payout.kind === "credited" ? payout.channelId : payout.to].join(
    "/",
  );
}

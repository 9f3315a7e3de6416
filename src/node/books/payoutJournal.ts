import type { EscrowEvent } from "../../chain/event.ts";
import type { ChainNotice } from "../../chain/watcher.ts";
import type { Records } from "../records.ts";
import { splitTimePrefix, timePrefix } from "../records.ts";
import type { Period } from "./journal.ts";
import type { PayoutMoved } from "./movement.ts";

const PAYOUTS = "payout";
/** Notice → its key among the others: the same notice may come twice. */
const NOTED = "payoutNoted";

export type PayoutNotice = Extract<EscrowEvent, { kind: "payoutCredited" | "payoutWithdrawn" }> &
  Pick<ChainNotice, "stage" | "id" | "transactionHash">;

type Stored = (
  | Omit<Extract<PayoutMoved, { kind: "credited" }>, "time" | "amount">
  | Omit<Extract<PayoutMoved, { kind: "fetched" }>, "time" | "amount">
) & { readonly amount: string };

/** What of our money the escrow kept because its payout was refused, and what was fetched from there: from its events. */
export class PayoutJournal {
  readonly #records: Records;
  #last: Promise<void> = Promise.resolve();

  constructor(records: Records) {
    this.#records = records;
  }

  /** Takes a notice about our account; resolves once it is durable. Of the same event the watcher and a search may tell. */
  note(notice: PayoutNotice): Promise<void> {
    const noted = this.#last.then(() => this.#note(notice));
    this.#last = noted.catch(() => {});
    return noted;
  }

  async #note(notice: PayoutNotice): Promise<void> {
    const { stage, id } = notice;
    const known = await this.#records.get<string>(NOTED, id);
    const isListed = known !== undefined && (await this.#records.get(PAYOUTS, known)) !== undefined;
    if (stage === "confirmed" && !isListed) {
      const key = `${timePrefix(Date.now())}/${id}`;
      const ops = [this.#records.putOp(PAYOUTS, key, storedOf(notice)), this.#records.putOp(NOTED, id, key)];
      await this.#records.write(ops, { sync: true });
    }
    if (stage === "removed" && known !== undefined) {
      const ops = [this.#records.deleteOp(PAYOUTS, known), this.#records.deleteOp(NOTED, id)];
      await this.#records.write(ops, { sync: true });
    }
  }

  /** In the order of time. */
  async *list({ from, to }: Period, signal?: AbortSignal): AsyncGenerator<PayoutMoved> {
    const options = { from: timePrefix(from), to: timePrefix(to), signal };
    for await (const { key, value } of this.#records.list<Stored>(PAYOUTS, options)) {
      yield { ...value, time: splitTimePrefix(key).time, amount: BigInt(value.amount) };
    }
  }
}

function storedOf(notice: PayoutNotice): Stored {
  const { token, transactionHash: hash } = notice;
  const amount = `${notice.amount}`;
  return notice.kind === "payoutCredited"
    ? { kind: "credited", hash, token, amount, channelId: notice.channelId }
    : { kind: "fetched", hash, token, amount, to: notice.to };
}

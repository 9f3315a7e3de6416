import { orAborted } from "../../chain/wait.ts";
import { toHex } from "../../protocol/index.ts";
import type { Receipt } from "../payment.ts";
import type { SpendOrder } from "./gate.ts";
import { conflict } from "./verdict.ts";

interface UnderWay {
  readonly spender: string | undefined;
  readonly amount: bigint;
  readonly receipt: Promise<Receipt>;
}

/** Payments being made, by channel and id. Each belongs to the spender that asked for it. */
export class PaymentsUnderWay {
  readonly #payments = new Map<string, UnderWay>();

  /**
   * Makes a payment, or joins the same spender's. While it is another's the spender waits until that is over and then
   * makes its own: it must itself be allowed, and takes nobody's refusal. Throws `payment_conflict`.
   */
  async make(
    spender: string | undefined,
    { channelId, id, amount, signal }: SpendOrder,
    pay: () => Promise<Receipt>,
  ): Promise<Receipt> {
    const name = `${channelId}/${toHex(id)}`;
    let pending = this.#payments.get(name);
    for (; pending !== undefined && pending.spender !== spender; pending = this.#payments.get(name)) {
      const over = pending.receipt.catch(() => {});
      await (signal === undefined ? over : orAborted(over, signal));
    }
    if (pending !== undefined) {
      if (pending.amount === amount) return pending.receipt;
      throw conflict(toHex(id));
    }
    const receipt = pay();
    this.#payments.set(name, { spender, amount, receipt });
    try {
      return await receipt;
    } finally {
      this.#payments.delete(name);
    }
  }
}

import type { Address } from "../../protocol/index.ts";
import type { TotalsRecord } from "./statementRecord.ts";

/** What a statement adds up per token; made the same way by who writes one and who checks it. Base units. */
export class Totals {
  readonly token: Address;
  payments = 0;
  opening = 0n;
  deposited = 0n;
  withdrawn = 0n;
  sent = 0n;
  received = 0n;
  settled = 0n;
  settlementLoss = 0n;
  closing = 0n;
  gas = 0n;
  drawn = 0n;
  credited = 0n;
  fetched = 0n;

  constructor(token: Address) {
    this.token = token;
  }

  record(): TotalsRecord {
    return {
      type: "totals",
      token: this.token,
      payments: this.payments,
      opening: `${this.opening}`,
      deposited: `${this.deposited}`,
      withdrawn: `${this.withdrawn}`,
      sent: `${this.sent}`,
      received: `${this.received}`,
      settled: `${this.settled}`,
      settlementLoss: `${this.settlementLoss}`,
      closing: `${this.closing}`,
      gas: `${this.gas}`,
      ...(this.drawn !== 0n && { drawn: `${this.drawn}` }),
      ...(this.credited !== 0n && { credited: `${this.credited}` }),
      ...(this.fetched !== 0n && { fetched: `${this.fetched}` }),
    };
  }
}

/** The totals of every token met so far. */
export class TotalsByToken {
  readonly #tokens = new Map<Address, Totals>();

  of(token: Address): Totals {
    let totals = this.#tokens.get(token);
    if (totals === undefined) {
      totals = new Totals(token);
      this.#tokens.set(token, totals);
    }
    return totals;
  }

  /** By token address, so that two who add up the same write the same. */
  records(): TotalsRecord[] {
    const byToken = (a: Totals, b: Totals) => (a.token < b.token ? -1 : 1);
    return [...this.#tokens.values()].sort(byToken).map((totals) => totals.record());
  }
}

import type { Address } from "../protocol/address.ts";
import { ChainError } from "./error.ts";
import type { Eth, RawLog } from "./eth.ts";
import type { CallOptions } from "./jsonRpc.ts";

/** Most blocks of one getLogs: what the strictest common public servers allow without an account is tried on refusal. */
const MAX_LOG_RANGE = 5_000;

/** Reads logs in ranges that shrink when the server refuses them and grow again when it does not. */
export class LogRange {
  readonly #eth: Eth;
  readonly #address: Address;
  #size: number;

  constructor(eth: Eth, address: Address, size = MAX_LOG_RANGE) {
    this.#eth = eth;
    this.#address = address;
    this.#size = size;
  }

  /** The logs from `from` on, up to `to` or as far as one answer reaches, in chain order, and the last block they cover. */
  async read(from: number, to: number, options: CallOptions): Promise<{ logs: RawLog[]; to: number }> {
    for (;;) {
      const end = Math.min(to, from + this.#size - 1);
      try {
        const logs = await this.#eth.logs(this.#address, from, end, options);
        if (end < to) this.#size = Math.min(MAX_LOG_RANGE, this.#size * 2);
        return { logs: this.#check(logs, from, end), to: end };
      } catch (error) {
        if (end === from || !shrinks(error)) throw error;
        this.#size = Math.max(1, (end - from + 1) >> 1);
      }
    }
  }

  #check(logs: RawLog[], from: number, to: number): RawLog[] {
    for (const log of logs) {
      if (log.address !== this.#address || log.blockNumber < from || log.blockNumber > to) {
        const reason = "a log that was not asked for";
        throw new ChainError({ code: "rpc_bad_answer", method: "eth_getLogs", reason });
      }
    }
    return logs.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
  }
}

/** Servers word their refusals freely, so any error of their own is worth a narrower try. */
function shrinks(error: unknown): boolean {
  return error instanceof ChainError && (error.code === "rpc_too_large" || error.code === "rpc_error");
}

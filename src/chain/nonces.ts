import { ChainError } from "./error.ts";
import type { Call } from "./eth.ts";
import { fillerId, isFiller, type Outcome } from "./intent.ts";
import type { Line, Look } from "./line.ts";
import type { Outbox } from "./outbox.ts";
import { simulate } from "./simulate.ts";

/** The most nonces that are filled with empty transfers, 21,000 gas each, to reach what stands behind them. */
const MAX_FILLED = 64;

/** Turns and milliseconds that a gap must be seen for before it is believed: servers lag, and may be wrong. */
const STEADY_TURNS = 3;
const STEADY_MS = 60_000;

interface Gap {
  /** Unix milliseconds. */
  readonly since: number;
  turns: number;
  /** The highest count that was told meanwhile. */
  count: number;
}

/**
 * Compares the account's count on chain with what we have used ourselves, before either is built upon.
 * A filler, an empty transfer to ourselves, does nothing but use a nonce: whichever of ours is mined, none is repeated.
 */
export class Nonces {
  readonly #line: Line;
  #gap: Gap | undefined;

  constructor(line: Line) {
    this.#line = line;
  }

  /**
   * A count below ours: finished intents that a reorganisation freed are sent again, and nonces that stay unused are
   * filled. Throws `rpc_inconsistent` until it is certain which it is.
   */
  async reclaim(look: Look): Promise<void> {
    const line = this.#line;
    const { count } = look;
    if (count < line.first) {
      for (const record of await line.outbox.freedBy(count)) {
        (await line.reopen(record)).wait("reorganised");
      }
    }
    if (count < line.first) await this.#close(line.first, look);
    else this.#gap = undefined;
  }

  /**
   * A count above ours: someone else uses the account, or a server is wrong, and what is signed behind nonces that nobody
   * used is not mined. False: nothing may be given a nonce yet. Throws `rpc_inconsistent` when half of the servers
   * do not count so many.
   */
  async isAgreed({ head, count, signal }: Look): Promise<boolean> {
    const { init, outbox, signed } = this.#line;
    if ([...signed].some(({ record, mined }) => isFiller(record!) && !mined)) return false;
    if (count <= outbox.next) return true;
    const { account, eth } = init;
    const agreed = await eth.agreedTransactionCount(account.address, head.number, { signal, retries: 0 });
    if (agreed < count) throw outvoted(count, agreed, head.number);
    // So far nothing of worth goes first.
    if (!isFar(count, outbox)) return true;
    return !(await this.#fill(count, { head, count, signal }));
  }

  /** Nobody used the nonces before `first`: everything of ours from there on is stuck. */
  async #close(first: number, look: Look): Promise<void> {
    const now = this.#line.init.now() * 1000;
    this.#gap ??= { since: now, turns: 0, count: 0 };
    const gap = this.#gap;
    gap.turns++;
    gap.count = Math.max(gap.count, look.count);
    if (gap.turns >= STEADY_TURNS && now - gap.since >= STEADY_MS) {
      this.#gap = undefined;
      if (await this.#end(gap.count, first, look)) return;
    }
    throw inconsistent(`the chain counts ${look.count}, the journal ${first}`, look.head.number);
  }

  /** Fills a gap, or gives up the filler behind one that is too wide. False: it can neither. */
  async #end(count: number, first: number, look: Look): Promise<boolean> {
    if (first - count <= MAX_FILLED) {
      for (let nonce = count; nonce < first; nonce++) if (!(await this.#fill(nonce, look))) break;
      return true;
    }
    const [lowest, ...others] = this.#line.open();
    if (lowest === undefined || !isFiller(lowest.record!) || others.length > 0) return false;
    const outcome: Outcome = { ok: false, code: "tx_cancelled", hash: undefined };
    if (!(await this.#line.outbox.takeBack(lowest.record!, outcome, count))) return false;
    this.#line.end(lowest, outcome);
    return true;
  }

  /** Uses a nonce for nothing. False: the account cannot pay for it. */
  async #fill(nonce: number, { head, signal }: Look): Promise<boolean> {
    const line = this.#line;
    if (await line.refill(nonce, signal)) return true;
    const { eth, account } = line.init;
    const call: Call = { to: account.address, data: "0x", value: 0n };
    const simulated = await simulate(account.address, call, eth, { signal, retries: 0 });
    if (!simulated.ok) return this.#unpaid();
    const { gasLimit } = simulated;
    const jobs = line.jobs.values();
    const fees = await line.pricing.first(call, gasLimit, nonce, head, jobs, line.signed, signal);
    if ("code" in fees) return this.#unpaid();
    const id = fillerId(nonce);
    const record = { id, ...call, deadline: undefined, nonce, gasLimit, attempts: [], cancelling: true };
    const job = line.jobs.get(id) ?? line.add({ id, ...call });
    await line.attempt(job, { ...record, outcome: undefined }, call, fees, signal);
    return true;
  }

  #unpaid(): false {
    for (const job of this.#line.jobs.values()) job.wait("gas_wallet_empty");
    return false;
  }
}

/** Whether a count above ours leads farther than could be filled should it be wrong. */
export function isFar(count: number, { next, proven }: Pick<Outbox, "next" | "proven">): boolean {
  return count > next && count - proven > MAX_FILLED;
}

/** What one server counts is not what more than half of them do. */
export function outvoted(count: number, agreed: number, block: number): ChainError {
  return inconsistent(`one answer counts ${count}, others ${agreed}`, block);
}

function inconsistent(counts: string, block: number): ChainError {
  return new ChainError({ code: "rpc_inconsistent", reason: `the account's transactions: ${counts}`, block });
}

import type { Address } from "../protocol/address.ts";
import { ChainError } from "./error.ts";
import type { Call, Eth, Header } from "./eth.ts";
import {
  bumpDelayMs,
  bumpedFees,
  ceilingAt,
  type FeeMarket,
  type FeePolicy,
  type Fees,
  firstFees,
} from "./fees.ts";
import type { IntentRecord, Refused, WaitReason } from "./intent.ts";
import type { Job } from "./job.ts";

/** Most attempts of one intent; at an eighth more each, fees have grown a millionfold by then. */
const MAX_ATTEMPTS = 120;

/** What an intent is offered for, by the market, the policy, the line of nonces and the account's balance. */
export class Pricing {
  readonly #policy: FeePolicy;
  readonly #eth: Eth;
  readonly #account: Address;
  readonly #now: () => number;

  constructor(policy: FeePolicy, eth: Eth, account: Address, now: () => number) {
    this.#policy = policy;
    this.#eth = eth;
    this.#account = account;
    this.#now = now;
  }

  /** The first offer, lowered to what the account can pay beside its unmined transactions, if that still gets it mined. */
  async first(
    call: Call,
    gasLimit: bigint,
    nonce: number,
    head: Header,
    jobs: Iterable<Job>,
    signed: Iterable<Job>,
    signal: AbortSignal,
  ): Promise<Fees | Refused> {
    const market = await this.#market(head, signal);
    const fees = firstFees(this.#policy, market, ceilingAt(this.#policy, this.#remaining(nonce, head, jobs)));
    let spare = (await this.#eth.balance(this.#account, { signal, retries: 0 })) - call.value;
    for (const { record, mined } of signed) {
      if (record !== undefined && !mined)
        spare -= record.value + record.gasLimit * record.attempts.at(-1)!.maxFee;
    }
    if (spare >= gasLimit * fees.maxFee) return fees;
    const maxFee = spare > 0n ? spare / gasLimit : 0n;
    const least = market.baseFee + fees.priority;
    if (maxFee >= least) return { maxFee, priority: fees.priority };
    const need = call.value + gasLimit * least;
    return { ok: false, code: "gas_wallet_empty", have: spare + call.value, need };
  }

  /** The next offer if one is due (undefined: not), or what forbids it. */
  async next(
    job: Job,
    record: IntentRecord,
    value: bigint,
    cancels: boolean,
    head: Header,
    jobs: Iterable<Job>,
    signal: AbortSignal,
  ): Promise<Fees | WaitReason | undefined> {
    const last = record.attempts.at(-1)!;
    const remaining = this.#remaining(record.nonce, head, jobs);
    const stood = this.#now() * 1000 - last.at;
    const hopeless = job.outbid || last.maxFee < (head.baseFee ?? 0n);
    const due = hopeless || stood >= bumpDelayMs(this.#policy, remaining) || (cancels && !last.cancels);
    if (!due || record.attempts.length >= MAX_ATTEMPTS) return undefined;
    const market = await this.#market(head, signal);
    const fees = bumpedFees(this.#policy, last, market, ceilingAt(this.#policy, remaining));
    if (fees === undefined) return last.maxFee < market.baseFee ? "fee_ceiling" : undefined;
    const have = await this.#eth.balance(this.#account, { signal, retries: 0 });
    return have < value + record.gasLimit * fees.maxFee ? "gas_wallet_empty" : fees;
  }

  /** Seconds to the nearest deadline at or behind a nonce, since the first in the line holds up all others. */
  #remaining(nonce: number, head: Header, jobs: Iterable<Job>): number | undefined {
    // What binds us is the later of the two clocks.
    const time = Math.max(head.timestamp, this.#now());
    let nearest: number | undefined;
    for (const { intent, record } of jobs) {
      if (intent.deadline === undefined || intent.deadline < time) continue;
      if (record !== undefined && record.nonce < nonce) continue;
      nearest = Math.min(nearest ?? Number.MAX_VALUE, intent.deadline - time);
    }
    return nearest;
  }

  async #market(head: Header, signal: AbortSignal): Promise<FeeMarket> {
    if (head.baseFee === undefined) throw new ChainError({ code: "fee_market_missing", block: head.number });
    return { baseFee: head.baseFee, priority: await this.#eth.priorityFee({ signal, retries: 0 }) };
  }
}

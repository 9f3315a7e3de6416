import { Erc20, transferredBy } from "../chain/erc20.ts";
import { depositedBy } from "../chain/escrow.ts";
import type { Intent } from "../chain/intent.ts";
import { type Address, ZERO_ADDRESS } from "../protocol/index.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";

/** What of the account's money can be given away; base units. */
export interface FreeMoney {
  readonly free: bigint;
  /** What others will take of what the account holds. */
  readonly reserved: bigint;
}

interface Held {
  /** The intent's name. */
  readonly id: string;
  readonly token: Address;
  readonly amount: bigint;
}

/** What will still leave the account, and by which intents. */
interface Leaving {
  readonly ids: ReadonlySet<string>;
  readonly amount: bigint;
}

/**
 * Keeps what one transaction will take of the account's money from being promised to another, which would revert and
 * cost its gas. Until a transaction is submitted what it takes is held here; from then on the publisher's own intents
 * say it, those of an earlier process included, so that nothing is reserved longer than they last.
 */
export class Reservations {
  readonly #context: Pick<NodeContext, "chain" | "escrow" | "account">;
  readonly #held = new Set<Held>();

  constructor(context: Pick<NodeContext, "chain" | "escrow" | "account">) {
    this.#context = context;
  }

  /** What nothing else will take, `except` the intent of this name. Throws `ChainError`. */
  free(token: Address, signal: AbortSignal, except?: string): Promise<FreeMoney> {
    return this.#look(token, signal, except, (money) => money);
  }

  /**
   * Reserves `amount` for the intent `id`, as long as it is not submitted: until the returned function is called. The
   * same id reserves once, however many ask. Throws `wallet_insufficient` or `ChainError`.
   */
  async take(id: string, token: Address, amount: bigint, signal: AbortSignal): Promise<() => void> {
    return this.#look(token, signal, id, (money) => {
      if (amount > money.free) throw insufficient(token, money, amount);
      const held = { id, token, amount };
      this.#held.add(held);
      return () => void this.#held.delete(held);
    });
  }

  /** What `then` makes of what is free, in the turn in which that is known: nothing else is promised in between. */
  async #look<Result>(
    token: Address,
    signal: AbortSignal,
    except: string | undefined,
    then: (money: FreeMoney) => Result,
  ): Promise<Result> {
    for (;;) {
      const before = this.#leaving(token, except);
      const holds = await this.#balance(token, signal);
      const { ids, amount: reserved } = this.#leaving(token, except);
      // What ended while the balance was read may be in it or not.
      if (![...before.ids].every((id) => ids.has(id))) continue;
      return then({ free: holds > reserved ? holds - reserved : 0n, reserved });
    }
  }

  #leaving(token: Address, except: string | undefined): Leaving {
    const { chain } = this.#context;
    const isNative = token === ZERO_ADDRESS;
    const amounts = new Map<string, bigint>();
    for (const { id, token: one, amount } of this.#held) {
      if (one === token && amount > (amounts.get(id) ?? 0n)) amounts.set(id, amount);
    }
    // A held one that was submitted meanwhile counts as what it is now: nothing once it is mined.
    for (const id of chain.pending()) amounts.delete(id);
    let owed = isNative ? chain.owed : 0n;
    for (const intent of chain.unmined()) {
      const taken = isNative ? intent.value : this.#takenBy(intent, token);
      if (isNative) owed -= taken;
      if (taken > 0n) amounts.set(intent.id, taken);
    }
    if (except !== undefined) amounts.delete(except);
    const sum = [...amounts.values()].reduce((total, amount) => total + amount, owed);
    return { ids: new Set(amounts.keys()), amount: sum };
  }

  #takenBy(intent: Intent, token: Address): bigint {
    if (intent.to === token) return transferredBy(intent) ?? 0n;
    if (intent.to !== this.#context.escrow.address) return 0n;
    const deposit = depositedBy(intent);
    return deposit?.token === token ? deposit.amount : 0n;
  }

  #balance(token: Address, signal: AbortSignal): Promise<bigint> {
    const { chain, account } = this.#context;
    if (token === ZERO_ADDRESS) return chain.eth.balance(account, { signal });
    return new Erc20(token, chain.eth).balanceOf(account, { signal });
  }
}

/** `need`: what was to leave, base units. */
export function insufficient(token: Address, { free, reserved }: FreeMoney, need: bigint): NodeError {
  return new NodeError({ code: "wallet_insufficient", fields: { token, have: free, need, reserved } });
}

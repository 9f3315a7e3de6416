import { randomBytes } from "node:crypto";
import { Erc20 } from "../chain/erc20.ts";
import type { Progress } from "../chain/intent.ts";
import type { Address, ChannelId } from "../protocol/index.ts";
import type { NodeContext } from "./context.ts";
import { transactionFailed } from "./error.ts";
import { approveIntents } from "./intentNames.ts";

/** What must be approved one after the other before `amount` can be pulled, if `free` of the allowance is. */
export function approvals(allowance: bigint, amount: bigint, free = allowance): bigint[] {
  if (free >= amount) return [];
  // Some tokens refuse to change an allowance other than from zero (USDT).
  return allowance > 0n ? [0n, amount] : [amount];
}

/** A deposit that needs `amount` of the token's allowance. */
export interface Need {
  readonly channelId: ChannelId;
  /** The deposit's. */
  readonly name: string;
  readonly amount: bigint;
  readonly signal: AbortSignal;
  readonly onApproving: (progress: Progress) => void;
}

/** A deposit's part of an allowance, from its approval on. */
export interface Share {
  /** The deposit has its nonce, or will not be made: approvals that follow cannot take the allowance from it any more. */
  signed(): void;
  /** The deposit is mined, or over: the allowance that is read no longer holds its part. */
  spent(): void;
}

interface Waiting {
  readonly need: Need;
  readonly share: PromiseWithResolvers<Share>;
  readonly signed: PromiseWithResolvers<void>;
}

/**
 * The allowances of this node's tokens. The account's transactions are mined in the order of their nonces, so an
 * approval made after a deposit was signed cannot touch that deposit. Only between approval and signature would another
 * approval take the allowance away: deposits of one token go through this in rounds, and all that wait for
 * the next round are approved as one sum.
 */
export class Allowances {
  readonly #context: NodeContext;
  /** As many as applications wait for deposits. */
  readonly #waiting = new Map<Address, Waiting[]>();
  /** What signed deposits will still pull, by token. */
  readonly #owed = new Map<Address, bigint>();
  /** Approvals and deposits of this process that are under way; others are an earlier process's. */
  readonly #ids = new Set<string>();

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /** Resolves when the deposit may be submitted. Rejects with `transaction_failed`, or the signal's reason. */
  async share(token: Address, need: Need): Promise<Share> {
    need.signal.throwIfAborted();
    const waiting = { need, share: Promise.withResolvers<Share>(), signed: Promise.withResolvers<void>() };
    const leave = () => {
      waiting.signed.resolve();
      waiting.share.reject(need.signal.reason);
    };
    need.signal.addEventListener("abort", leave, { once: true });
    const line = this.#waiting.get(token);
    if (line === undefined) {
      this.#waiting.set(token, [waiting]);
      void this.#serve(token);
    } else line.push(waiting);
    return waiting.share.promise.finally(() => need.signal.removeEventListener("abort", leave));
  }

  /** Notes a transaction of this process until the returned function is called. */
  note(id: string): () => void {
    this.#ids.add(id);
    return () => this.#ids.delete(id);
  }

  async #serve(token: Address): Promise<void> {
    for (let line = this.#waiting.get(token)!; line.length > 0; ) {
      const round = line.splice(0).filter(({ need }) => !need.signal.aborted);
      if (round.length === 0) continue;
      try {
        await this.#approve(token, round);
        for (const waiting of round) this.#grant(token, waiting);
        await Promise.all(round.map(({ signed }) => signed.promise));
      } catch (error) {
        for (const { share } of round) share.reject(error);
      }
    }
    this.#waiting.delete(token);
  }

  #grant(token: Address, { need, share, signed }: Waiting): void {
    if (need.signal.aborted) return;
    let owes = true;
    this.#owe(token, need.amount);
    share.resolve({
      signed: () => signed.resolve(),
      spent: () => {
        if (owes) this.#owe(token, -need.amount);
        owes = false;
      },
    });
  }

  #owe(token: Address, amount: bigint): void {
    const owed = (this.#owed.get(token) ?? 0n) + amount;
    if (owed === 0n) this.#owed.delete(token);
    else this.#owed.set(token, owed);
  }

  async #approve(token: Address, round: readonly Waiting[]): Promise<void> {
    const { chain, account, escrow, stopping } = this.#context;
    const sum = round.reduce((total, { need }) => total + need.amount, 0n);
    const contract = new Erc20(token, chain.eth);
    const allowance = await contract.allowance(account, escrow.address, { signal: stopping });
    // What an earlier process has under way may take or set it: only what is approved after that can be relied upon.
    const needed = this.#hasForeign()
      ? [0n, sum]
      : approvals(allowance, sum, allowance - (this.#owed.get(token) ?? 0n));
    for (const amount of needed) await this.#send(round, contract.approve(escrow.address, amount));
  }

  #hasForeign(): boolean {
    const pending = this.#context.chain.pending();
    return pending.some((id) => /\/(approve|deposit)\//.test(id) && !this.#ids.has(id));
  }

  /** Under a name of its own: the same approval again would be the outcome of the first, and no allowance. */
  async #send(round: readonly Waiting[], call: ReturnType<Erc20["approve"]>): Promise<void> {
    const { chain, stopping } = this.#context;
    const { channelId, name } = round[0]!.need;
    const id = `${approveIntents(channelId, name)}/${randomBytes(8).toString("hex")}`;
    const done = this.note(id);
    const onProgress = (progress: Progress) => {
      for (const { need } of round) need.onApproving(progress);
    };
    const outcome = await chain.submit({ id, ...call }, { signal: stopping, onProgress }).finally(done);
    if (!outcome.ok) throw transactionFailed("approve", outcome);
  }
}

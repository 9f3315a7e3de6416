import type { ChainNotice } from "../../chain/watcher.ts";
import type { Address } from "../../protocol/index.ts";
import { ALL_TIME } from "../books/books.ts";
import type { PayoutNotice } from "../books/payoutJournal.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import { logTrouble } from "../warnings.ts";

/** Money of the account that the escrow keeps, since the token or the account refused its payout; base units. */
export interface WaitingPayout {
  /** The zero address: the native coin. */
  readonly token: Address;
  readonly amount: bigint;
}

/**
 * Knows what the escrow keeps for the account because a payout was refused, and warns of it. The escrow itself is asked,
 * at the start and after whatever may have changed it: events alone may be from before this database, or of a channel
 * that is not ours. What cannot be asked now is asked with the next block.
 */
export class Payouts {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #waiting = new Map<Address, bigint>();
  readonly #unasked = new Set<Address>();
  #asking = false;

  constructor(context: NodeContext, channels: Channels) {
    this.#context = context;
    this.#channels = channels;
  }

  /** What waits, as the chain told last; asks nothing. */
  waiting(): WaitingPayout[] {
    return [...this.#waiting].map(([token, amount]) => ({ token, amount }));
  }

  /** Asks for the tokens of all channels that have paid out, and of all payouts ever refused. Never rejects. */
  async askAll(): Promise<void> {
    const { stopping, log, bookJournal } = this.#context;
    try {
      // Channels that had settled before their record was lost are not taken up again.
      for await (const { token } of bookJournal.payouts.list(ALL_TIME, stopping)) this.#unasked.add(token);
      for await (const { phase, withdrawn, token } of this.#channels.list({ signal: stopping })) {
        if (phase === "settled" || withdrawn[0] > 0n) this.#unasked.add(token);
      }
      this.look();
    } catch (error) {
      if (!stopping.aborted)
        log.warn({ error }, "it could not be looked through what may wait at the escrow");
    }
  }

  /** Takes a notice of the watcher; resolves once the books hold it. */
  async notice(notice: ChainNotice): Promise<void> {
    const { account } = this.#context;
    switch (notice.kind) {
      case "payoutCredited":
      case "payoutWithdrawn":
        if (notice.account !== account) return;
        await this.book(notice);
        return;
      case "settled":
      case "withdrawn":
        this.ask((await this.#channels.load(notice.channelId)).state.terms.channel.token);
    }
  }

  /** Takes an event about the account's payouts; resolves once the books hold it, if it is confirmed. */
  async book(notice: PayoutNotice): Promise<void> {
    await this.#context.bookJournal.payouts.note(notice);
    this.ask(notice.token);
  }

  /** What waits in this token may have changed. */
  ask(token: Address): void {
    this.#unasked.add(token);
    this.look();
  }

  /** Asks what is still to be asked. */
  look(): void {
    if (this.#asking || this.#unasked.size === 0) return;
    this.#asking = true;
    void this.#askThem();
  }

  async #askThem(): Promise<void> {
    const { escrow, account, stopping, log } = this.#context;
    for (const token of this.#unasked) {
      // Taken out first: what changes meanwhile is asked again.
      this.#unasked.delete(token);
      try {
        this.#told(token, await escrow.payoutOf(token, account, "latest", { signal: stopping }));
      } catch (error) {
        this.#unasked.add(token);
        if (!stopping.aborted)
          logTrouble(log, { error, token }, "the escrow could not be asked what waits; asked again");
        break;
      }
    }
    // In the turn in which the last one was told: whoever asks in the next begins anew.
    this.#asking = false;
  }

  #told(token: Address, amount: bigint): void {
    const before = this.#waiting.get(token) ?? 0n;
    if (amount === 0n) this.#waiting.delete(token);
    else this.#waiting.set(token, amount);
    if (amount <= before) return;
    const { account, emit } = this.#context;
    const message =
      `a payout to ${account} was refused, and the escrow keeps ${amount} base units of ${token} for it: ` +
      "fetch it (withdrawPayout), to another address if the token goes on refusing this one";
    emit("warning", { code: "payout_credited", message });
  }
}

import { Erc20 } from "../chain/erc20.ts";
import type { Call } from "../chain/eth.ts";
import { type Address, participantOf, ZERO_ADDRESS } from "../protocol/index.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";
import type { DepositProgress } from "./progress.ts";

interface DepositOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DepositProgress) => void) | undefined;
}

/** What must be approved one after the other before `amount` can be pulled. */
export function approvals(allowance: bigint, amount: bigint): bigint[] {
  if (allowance >= amount) return [];
  // Some tokens refuse to change an allowance other than from zero (USDT).
  return allowance > 0n ? [0n, amount] : [amount];
}

/** Puts money of this node's account under a channel. */
export class Depositor {
  readonly #context: NodeContext;
  /** Deposits of one token go one after the other: an approval is for one deposit and the next would overwrite it. */
  readonly #lines = new Map<Address, Promise<void>>();

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /**
   * Deposits `amount` more for ourselves and resolves with our new total once confirmed. The same target total is
   * one deposit however often it is asked for: a repeated call after a crash joins the first.
   */
  async deposit(mailbox: ChannelMailbox, amount: bigint, options: DepositOptions): Promise<bigint> {
    const { token } = mailbox.state.terms.channel;
    const before = this.#lines.get(token) ?? Promise.resolve();
    const turn = before.then(() => this.#deposit(mailbox, amount, options));
    const line = turn.then(
      () => {},
      () => {},
    );
    this.#lines.set(token, line);
    void line.then(() => {
      if (this.#lines.get(token) === line) this.#lines.delete(token);
    });
    return turn;
  }

  async #deposit(mailbox: ChannelMailbox, amount: bigint, options: DepositOptions): Promise<bigint> {
    const { escrow, chain, account } = this.#context;
    const { channelId, state } = mailbox;
    const { channel } = state.terms;
    const { newest } = await chain.read(channelId, channel, options.signal);
    const total = newest.deposits[state.side] + amount;
    if (channel.token !== ZERO_ADDRESS) {
      const token = new Erc20(channel.token, chain.eth);
      const allowance = await token.allowance(account, escrow.address, { signal: options.signal });
      for (const approved of approvals(allowance, amount)) {
        const name = approved === 0n ? "approve0" : "approve";
        await this.#send(mailbox, `${name}/${total}`, token.approve(escrow.address, approved), options);
      }
    }
    const call = escrow.deposit(channel, participantOf(channel, state.side), amount);
    await this.#send(mailbox, `deposit/${total}`, call, options);
    chain.poke();
    return total;
  }

  /** Publishes under a name of the channel's own. */
  async #send(
    { channelId }: ChannelMailbox,
    name: string,
    call: Call,
    options: DepositOptions,
  ): Promise<void> {
    const { onProgress, signal } = options;
    const step = name.startsWith("approve") ? "approve" : "deposit";
    const outcome = await this.#context.chain.submit(
      { id: `${channelId}/${name}`, ...call },
      { signal, onProgress: (progress) => onProgress?.({ step, channelId, progress }) },
    );
    if (outcome.ok) return;
    const detail = "revert" in outcome ? `${outcome.code}: ${outcome.revert.error}` : outcome.code;
    throw new NodeError({ code: "transaction_failed", fields: { reason: `${step}: ${detail}` } });
  }
}

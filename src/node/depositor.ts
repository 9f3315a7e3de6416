import { Erc20 } from "../chain/erc20.ts";
import type { Call } from "../chain/eth.ts";
import type { Outcome } from "../chain/intent.ts";
import { type Address, participantOf, ZERO_ADDRESS } from "../protocol/index.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";
import type { DepositProgress } from "./progress.ts";

interface DepositOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DepositProgress) => void) | undefined;
  /** Makes it one deposit for ever on this channel. Default: the total it leads to. */
  readonly name?: string | undefined;
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
   * Deposits `amount` more for ourselves and resolves with our new total once confirmed. The same name, or without one
   * the same target total, is one deposit however often it is asked for: a repeated call after a crash joins the first.
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
    const { escrow, chain } = this.#context;
    const { channelId, state } = mailbox;
    const { channel } = state.terms;
    const seen = chain.newestNumber();
    const { newest } = await chain.read(channelId, channel, options.signal);
    const before = newest.deposits[state.side];
    const name = options.name ?? before + amount;
    const call = escrow.deposit(channel, participantOf(channel, state.side), amount);
    // What an earlier process has signed stands by itself: its approval is used up, or about to be.
    if (!(await chain.knows(`${channelId}/deposit/${name}`))) {
      await this.#approve(mailbox, name, amount, options);
    }
    const { block } = await this.#send(mailbox, `deposit/${name}`, call, options);
    chain.poke();
    return block.number <= seen ? before : before + amount;
  }

  /** Lets the escrow take `amount` of the channel's token, if it may not yet. */
  async #approve(mailbox: ChannelMailbox, name: string | bigint, amount: bigint, options: DepositOptions) {
    const { escrow, chain, account } = this.#context;
    const { channel } = mailbox.state.terms;
    if (channel.token === ZERO_ADDRESS) return;
    const token = new Erc20(channel.token, chain.eth);
    const allowance = await token.allowance(account, escrow.address, { signal: options.signal });
    for (const approved of approvals(allowance, amount)) {
      const step = approved === 0n ? "approve0" : "approve";
      await this.#send(mailbox, `${step}/${name}`, token.approve(escrow.address, approved), options);
    }
  }

  /** Publishes under a name of the channel's own. */
  async #send(
    { channelId }: ChannelMailbox,
    name: string,
    call: Call,
    options: DepositOptions,
  ): Promise<Extract<Outcome, { readonly ok: true }>> {
    const { onProgress, signal } = options;
    const step = name.startsWith("approve") ? "approve" : "deposit";
    const outcome = await this.#context.chain.submit(
      { id: `${channelId}/${name}`, ...call },
      { signal, onProgress: (progress) => onProgress?.({ step, channelId, progress }) },
    );
    if (outcome.ok) return outcome;
    const detail = "revert" in outcome ? `${outcome.code}: ${outcome.revert.error}` : outcome.code;
    throw new NodeError({ code: "transaction_failed", fields: { reason: `${step}: ${detail}` } });
  }
}

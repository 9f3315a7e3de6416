import { Erc20 } from "../chain/erc20.ts";
import type { Call } from "../chain/eth.ts";
import type { Progress } from "../chain/intent.ts";
import { type Address, participantOf, ZERO_ADDRESS } from "../protocol/index.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";

/** What a wait on the chain is about, for progress shown to people. */
export interface ChainProgress {
  readonly step: "approve" | "deposit";
  readonly progress: Progress;
}

interface DepositOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: ChainProgress) => void) | undefined;
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
      if (allowance < amount) {
        // Some tokens refuse to change an allowance other than from zero (USDT).
        if (allowance > 0n) {
          await this.#send(
            `${channelId}/approve0/${total}`,
            "approve",
            token.approve(escrow.address, 0n),
            options,
          );
        }
        await this.#send(
          `${channelId}/approve/${total}`,
          "approve",
          token.approve(escrow.address, amount),
          options,
        );
      }
    }
    const call = escrow.deposit(channel, participantOf(channel, state.side), amount);
    await this.#send(`${channelId}/deposit/${total}`, "deposit", call, options);
    chain.poke();
    return total;
  }

  async #send(id: string, step: ChainProgress["step"], call: Call, options: DepositOptions): Promise<void> {
    const { onProgress, signal } = options;
    const outcome = await this.#context.chain.submit(
      { id, ...call },
      { signal, onProgress: (progress) => onProgress?.({ step, progress }) },
    );
    if (outcome.ok) return;
    const detail = "revert" in outcome ? `${outcome.code}: ${outcome.revert.error}` : outcome.code;
    throw new NodeError({ code: "transaction_failed", fields: { reason: `${step}: ${detail}` } });
  }
}

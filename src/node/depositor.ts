import type { Outcome, Progress } from "../chain/intent.ts";
import { orAborted } from "../chain/wait.ts";
import {
  type Channel,
  type ChannelId,
  type ChannelState,
  participantOf,
  ZERO_ADDRESS,
} from "../protocol/index.ts";
import { Allowances, type Share } from "./allowances.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { NodeContext } from "./context.ts";
import { transactionFailed } from "./error.ts";
import { depositIntent } from "./intentNames.ts";
import type { DepositProgress } from "./progress.ts";

interface DepositOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DepositProgress) => void) | undefined;
  /** Makes it one deposit for ever on this channel. Default: the total it leads to. */
  readonly name?: string | undefined;
  /**
   * Throws if a channel may not hold so much of our own money, base units. Asked in the channel's turn with everything
   * counted that is on its way there, and not about a deposit that was begun before.
   */
  readonly assertAllowed?: ((ours: bigint) => void) | undefined;
}

/** A deposit that readings of the chain do not count yet, as far as we know. */
interface UnderWay {
  readonly amount: bigint;
  /** The one that has it, once it is over: this node's view of the chain may be behind that. */
  block?: number;
}

/** The native coin needs no allowance. */
const NO_SHARE: Share = { signed() {}, spent() {} };

/** Puts money of this node's account under a channel. */
export class Depositor {
  readonly #context: NodeContext;
  readonly #allowances: Allowances;
  /** Deposits in one channel go one after the other: two at once would aim at the same total, and be one. */
  readonly #lines = new Map<ChannelId, Promise<void>>();
  /** By transaction: whoever waited for one may have given up, and the next be at work. */
  readonly #underWay = new Map<string, UnderWay>();
  /** The escrow was seen to name a channel as we do. */
  #isBound = false;

  constructor(context: NodeContext) {
    this.#context = context;
    this.#allowances = new Allowances(context);
  }

  /** Channels in which a deposit is being made or waits to be, and all others with a transaction under way. */
  channelsUnderWay(): Set<string> {
    const pending = this.#context.chain.pending().map((id) => id.split("/", 1)[0]!);
    return new Set([...this.#lines.keys(), ...pending]);
  }

  /**
   * Deposits `amount` more for ourselves and resolves with our new total once confirmed. The same name, or without one
   * the same target total, is one deposit however often it is asked for: a repeated call after a crash joins the first.
   * Throws `rpc_bad_answer`, before anything is signed, where the escrow names the channel otherwise than we do.
   */
  async deposit(mailbox: ChannelMailbox, amount: bigint, options: DepositOptions): Promise<bigint> {
    const { channelId } = mailbox;
    const before = this.#lines.get(channelId) ?? Promise.resolve();
    const turn = before.then(() => this.#deposit(mailbox, amount, options));
    const line = turn.then(
      () => {},
      () => {},
    );
    this.#lines.set(channelId, line);
    void line.then(() => {
      if (this.#lines.get(channelId) === line) this.#lines.delete(channelId);
    });
    return turn;
  }

  async #deposit(mailbox: ChannelMailbox, amount: bigint, options: DepositOptions): Promise<bigint> {
    const { chain, reservations } = this.#context;
    const { channelId, state } = mailbox;
    const reading = await chain.read(channelId, state.terms.channel, options.signal);
    const { newestNumber: seen, newest } = reading;
    const own = options.name && depositIntent(channelId, options.name);
    const { unseen, coming } = this.#uncounted(mailbox, seen, own);
    const before = newest.deposits[state.side] + unseen;
    const name = options.name ?? `${before + amount}`;
    const id = depositIntent(channelId, name);
    // Under way or over already, since before a crash or an abort: signed after its own approval, it needs no other.
    const joins = chain.pending().includes(id) || (await chain.knows(id));
    if (!joins) await this.#checkBinding(state.terms.channel, options.signal);
    if (!joins) options.assertAllowed?.(ownMoney(mailbox.state, before) + coming + amount);
    const { token } = state.terms.channel;
    const release = joins ? () => {} : await reservations.take(id, token, amount, options.signal);
    let submitted: Promise<Outcome>;
    try {
      const share = joins ? NO_SHARE : await this.#share(mailbox, amount, { ...options, name });
      const isOver = joins ? () => {} : this.#allowances.note(id);
      submitted = this.#submit(mailbox, { id, amount }, share, options).finally(isOver);
    } finally {
      release();
    }
    submitted.catch(() => {}); // nobody may be waiting any more when the node stops
    const outcome = await orAborted(submitted, options.signal);
    if (!outcome.ok) throw transactionFailed("deposit", outcome);
    chain.poke();
    return outcome.block.number <= seen ? before : before + amount;
  }

  /**
   * What the block `seen` does not count of other deposits in this channel: those that are over, and those that are
   * not, which it may count already.
   */
  #uncounted(
    { channelId }: ChannelMailbox,
    seen: number,
    own: string | undefined,
  ): { readonly unseen: bigint; readonly coming: bigint } {
    let [unseen, coming] = [0n, 0n];
    for (const [id, { amount, block }] of this.#underWay) {
      if (id === own || !id.startsWith(`${channelId}/`)) continue;
      if (block === undefined) coming += amount;
      else if (block > seen) unseen += amount;
      else this.#underWay.delete(id);
    }
    return { unseen, coming };
  }

  /** One channel is checked for all: how an id is made depends on no channel. */
  async #checkBinding(channel: Channel, signal: AbortSignal): Promise<void> {
    if (this.#isBound) return;
    const { escrow, chainId, ports } = this.#context;
    await escrow.checkChannelId(channel, chainId, ports.crypto.keccak256, { signal });
    this.#isBound = true;
  }

  async #share(
    { channelId, state }: ChannelMailbox,
    amount: bigint,
    { signal, onProgress, name }: DepositOptions & { readonly name: string },
  ): Promise<Share> {
    const { token } = state.terms.channel;
    if (token === ZERO_ADDRESS) return NO_SHARE;
    const onApproving = (progress: Progress) => onProgress?.({ step: "approve", channelId, progress });
    return this.#allowances.share(token, { channelId, name, amount, signal, onApproving });
  }

  /** An abort ends the waiting, not the transaction: its part of the allowance is its own until it is over. */
  #submit(
    { channelId, state }: ChannelMailbox,
    { id, amount }: { readonly id: string; readonly amount: bigint },
    share: Share,
    { onProgress }: DepositOptions,
  ): Promise<Outcome> {
    const { chain, escrow, stopping } = this.#context;
    const { channel } = state.terms;
    const call = escrow.deposit(channel, participantOf(channel, state.side), amount);
    this.#underWay.set(id, { amount });
    const told = (progress: Progress) => {
      if (progress.stage !== "waiting") share.signed();
      if (progress.stage === "mined" || progress.stage === "confirmed") share.spent();
      onProgress?.({ step: "deposit", channelId, progress });
    };
    const submitted = chain.submit({ id, ...call }, { signal: stopping, onProgress: told });
    const noted = submitted.then((outcome) => {
      if (outcome.ok) this.#underWay.set(id, { amount, block: outcome.block.number });
      else this.#underWay.delete(id);
      return outcome;
    });
    return noted.finally(() => {
      share.signed();
      share.spent();
    });
  }
}

/** Our own money in a channel of which we have deposited `deposited`, as the ledger counts the rest now. */
function ownMoney({ terms, side, sent, received }: ChannelState, deposited: bigint): bigint {
  return deposited - terms.chain.withdrawn[side] + received.transferred - sent.transferred;
}

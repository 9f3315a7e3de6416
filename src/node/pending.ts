import type { Address, ChannelId } from "../protocol/index.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import type { Pledges } from "./pledges.ts";

/** Channels of all peers that wait for their first deposit: identities are free, records are not. */
export const MAX_PENDING = 4096;

/** How long an agreed channel may wait for its first deposit: longer than any chain is congested. */
const OPENING_PATIENCE_MS = 24 * 3600 * 1000;

/** How many channels are tried when room is needed: the first that is not on chain goes. */
const MAX_TRIES = 4;

interface PendingInit {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly pledges: Pledges;
  /** Channels we are opening or putting money under now. */
  readonly ours: () => ReadonlySet<string>;
}

/** The channels that are agreed upon and that nobody has put money under yet, and which of them may be forgotten. */
export class Pending {
  readonly #init: PendingInit;

  constructor(init: PendingInit) {
    this.#init = init;
  }

  countOf(peer: Address): number {
    const { channels } = this.#init;
    let count = 0;
    for (const id of channels.ofPeer(peer)) if (channels.isOpening(id)) count++;
    return count;
  }

  /**
   * Makes sure that there is room for one more channel of `newcomer`. A peer with money under a channel with us always
   * has room. For others, when there is none, a channel of whoever holds the most goes, of those that are not connected
   * first, and the oldest of those: what a flood of free identities holds goes before what an honest slow one does.
   * False if none may go.
   */
  async makeRoom(newcomer: Address): Promise<boolean> {
    const { channels } = this.#init;
    if (channels.hasFunded(newcomer)) return true;
    const waiting = [...channels.attention].filter((id) => channels.isOpening(id));
    if (waiting.length < MAX_PENDING) return true;
    for (const mailbox of this.#inOrderOfLeaving(waiting, newcomer).slice(0, MAX_TRIES)) {
      if (await this.#forget(mailbox, "to make room")) return true;
    }
    return false;
  }

  /** An agreement nobody paid a deposit for is forgotten, or strangers could fill the database with them. */
  async forgetAbandoned(mailbox: ChannelMailbox): Promise<void> {
    if (mailbox.state.terms.phase !== "opening") return;
    if (Date.now() - mailbox.since < OPENING_PATIENCE_MS) return;
    await this.#forget(mailbox, "after a day");
  }

  /** Of those in memory: after a start the others follow within a minute or so. */
  #inOrderOfLeaving(ids: readonly ChannelId[], newcomer: Address): ChannelMailbox[] {
    const { channels, pledges, ours } = this.#init;
    const waiting = ids.flatMap((id) => channels.peek(id) ?? []);
    const held = new Map<Address, number>();
    for (const { peer } of waiting) held.set(peer, (held.get(peer) ?? 0) + 1);
    const busy = ours();
    const isConnected = ({ establisher }: ChannelMailbox) => establisher.isConnected;
    const candidates = waiting.filter((mailbox) => {
      const { peer, channelId } = mailbox;
      if (pledges.get(channelId) !== undefined || channels.hasFunded(peer)) return false;
      // Of somebody who is here only what makes both hold more equally much: their deposit may be on its way.
      if (isConnected(mailbox) && held.get(peer)! < (held.get(newcomer) ?? 0) + 2) return false;
      return isWithoutMoney(mailbox, busy);
    });
    return candidates.sort(
      (a, b) =>
        Number(isConnected(a)) - Number(isConnected(b)) ||
        held.get(b.peer)! - held.get(a.peer)! ||
        a.since - b.since,
    );
  }

  /** False if there is money under it after all, or about to be: whoever's it is must find the channel. */
  async #forget(mailbox: ChannelMailbox, why: string): Promise<boolean> {
    const { context, channels, pledges, ours } = this.#init;
    const { channelId } = mailbox;
    if (!isWithoutMoney(mailbox, ours())) return false;
    const { newest } = await context.chain.read(channelId, mailbox.state.terms.channel, context.stopping);
    if (newest.status !== "none") {
      mailbox.chainSide.refreshSoon();
      return false;
    }
    // It may have changed, or be gone, since it was looked at.
    if (channels.peek(channelId) !== mailbox || !isWithoutMoney(mailbox, ours())) return false;
    context.log.info({ channelId, why }, "a channel without a deposit is forgotten");
    mailbox.session?.send({ kind: "refuse", channelId, code: "channel_forgotten", fields: {} });
    await channels.forget(mailbox, pledges.drop(channelId));
    return true;
  }
}

/** As far as we know, unconfirmed deposits and ours that are being made included. */
function isWithoutMoney({ channelId, state, chainSide }: ChannelMailbox, busy: ReadonlySet<string>): boolean {
  const { phase, chain } = state.terms;
  const [deposit0, deposit1] = chain.deposits;
  return phase === "opening" && deposit0 + deposit1 === 0n && !chainSide.awaitsBlock && !busy.has(channelId);
}

import {
  type Address,
  addressFromBytes,
  type Channel,
  type ChannelId,
  channelIdFromBytes,
  channelIdToBytes,
  newChannelState,
  type Side,
} from "../protocol/index.ts";
import { decodeChannelState, needsAttention, summarizeChannelState } from "../store/channelRecord.ts";
import { channelSequence } from "../store/channelSequence.ts";
import { channelIdOfKey, channelKey, channelRange } from "../store/keys.ts";
import type { Op } from "../store/store.ts";
import { ChannelMailbox } from "./channel/mailbox.ts";
import { type ChannelInfo, infoOf } from "./channelInfo.ts";
import type { NodeContext } from "./context.ts";
import { NodeError } from "./error.ts";

/** Channels held whole in memory at once; the others are read when somebody asks. About 4 KiB each. */
const MAX_LOADED = 10_000;

/** How many of the longest unused are looked at when room is needed: the first idle one goes. */
const EVICTION_TRIES = 64;

export interface ListOptions {
  /** Only channels behind this one in the order of ids. */
  readonly after?: ChannelId | undefined;
  readonly peer?: Address | undefined;
  readonly signal?: AbortSignal;
}

/** The channels with one peer. */
interface PeerChannels {
  readonly signer: Address;
  readonly ids: Set<ChannelId>;
}

/** Which channels there are, with whom, and the mailboxes of those in use. */
export class Channels {
  readonly #context: NodeContext;
  /** By channel; one object per peer is shared by all its channels. */
  readonly #peers = new Map<ChannelId, PeerChannels>();
  readonly #byPeer = new Map<Address, PeerChannels>();
  /** In order of use: the first is the longest unused. */
  readonly #loaded = new Map<ChannelId, ChannelMailbox>();
  /** Those that wait for a first deposit and were not read since the start; once read they stay in memory. */
  readonly #unread = new Set<ChannelId>();
  readonly #loading = new Map<ChannelId, Promise<ChannelMailbox>>();
  /** Channels that await something of the chain or the clock. */
  readonly attention = new Set<ChannelId>();

  constructor(context: NodeContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Reads which channels there are. Throws on a record that cannot be read. */
  async scan(): Promise<void> {
    const { store, stopping } = this.#context;
    for await (const [key, value] of store.range({ ...channelRange(), signal: stopping })) {
      const id = channelIdFromBytes(channelIdOfKey(key));
      const summary = summarizeChannelState(value);
      this.#index(id, addressFromBytes(summary.counterpartySigner));
      if (summary.attention) this.attention.add(id);
      if (summary.opening) this.#unread.add(id);
    }
  }

  has(id: ChannelId): boolean {
    return this.#peers.has(id);
  }

  peerOf(id: ChannelId): Address | undefined {
    return this.#peers.get(id)?.signer;
  }

  ids(): IterableIterator<ChannelId> {
    return this.#peers.keys();
  }

  ofPeer(peer: Address): ReadonlySet<ChannelId> {
    return this.#byPeer.get(peer)?.ids ?? new Set();
  }

  /** Whether a peer may have money under a channel with us: an agreement alone costs it nothing. */
  hasFunded(peer: Address): boolean {
    for (const id of this.ofPeer(peer)) if (!this.isOpening(id)) return true;
    return false;
  }

  /** Whether it waits for its first deposit. */
  isOpening(id: ChannelId): boolean {
    const loaded = this.#loaded.get(id);
    return loaded === undefined ? this.#unread.has(id) : loaded.state.terms.phase === "opening";
  }

  loaded(): IterableIterator<ChannelMailbox> {
    return this.#loaded.values();
  }

  /** The mailbox if it is in memory: the payment path's way, without a promise. */
  peek(id: ChannelId): ChannelMailbox | undefined {
    return this.#loaded.get(id);
  }

  /** The channel's mailbox, read from the database if need be. Rejects with `channel_unknown`. */
  async load(id: ChannelId): Promise<ChannelMailbox> {
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) return loaded;
    if (!this.#peers.has(id)) throw new NodeError({ code: "channel_unknown", fields: { channelId: id } });
    let loading = this.#loading.get(id);
    if (loading === undefined) {
      loading = this.#read(id).finally(() => this.#loading.delete(id));
      this.#loading.set(id, loading);
    }
    return loading;
  }

  /** Channels by id. Those not in memory are read past it, so that a list does not push out those in use. */
  async *list({ after, peer, signal }: ListOptions): AsyncGenerator<ChannelInfo> {
    if (peer !== undefined) {
      const ids = [...this.ofPeer(peer)].filter((id) => after === undefined || id > after).sort();
      for (const id of ids) {
        signal?.throwIfAborted();
        const value = this.#loaded.has(id)
          ? undefined
          : await this.#context.store.get(channelKey(channelIdToBytes(id)));
        const info = this.#info(id, value);
        if (info !== undefined) yield info;
      }
      return;
    }
    const range = channelRange();
    // The first key behind a channel's is that key with a zero byte at its end.
    const gte = after === undefined ? range.gte : Uint8Array.of(...channelKey(channelIdToBytes(after)), 0);
    for await (const [key, value] of this.#context.store.range({ ...range, gte, signal })) {
      const info = this.#info(channelIdFromBytes(channelIdOfKey(key)), value);
      if (info !== undefined) yield info;
    }
  }

  /** As it is in memory, else as `stored`. */
  #info(id: ChannelId, stored: Uint8Array | undefined): ChannelInfo | undefined {
    const mailbox = this.#loaded.get(id);
    if (mailbox !== undefined) return infoOf(mailbox.state, mailbox.session !== undefined);
    return stored === undefined ? undefined : infoOf(decodeChannelState(id, stored), false);
  }

  /** Peers with channels. */
  peers(): IterableIterator<Address> {
    return this.#byPeer.keys();
  }

  /** Remembers a channel both sides agreed on, durably and with `ops` in the same batch, before anything is said or paid for it. */
  async create(id: ChannelId, channel: Channel, side: Side, ops: Op[] = []): Promise<ChannelMailbox> {
    if (this.#peers.has(id)) throw new NodeError({ code: "channel_exists", fields: { channelId: id } });
    const state = newChannelState(id, channel, side);
    const mailbox = new ChannelMailbox(this.#context, state, 0);
    this.#index(id, mailbox.peer);
    this.#keep(mailbox);
    this.attention.add(id);
    await mailbox.commit(state, ops, true);
    return mailbox;
  }

  /** Forgets a channel that never got a deposit, with `ops` in the same batch. */
  async forget(mailbox: ChannelMailbox, ops: readonly Op[] = []): Promise<void> {
    const { channelId: id, peer } = mailbox;
    const channels = this.#byPeer.get(peer);
    this.#loaded.delete(id);
    this.#peers.delete(id);
    channels?.ids.delete(id);
    if (channels?.ids.size === 0) this.#byPeer.delete(peer);
    this.attention.delete(id);
    await mailbox.erase(ops);
  }

  async #read(id: ChannelId): Promise<ChannelMailbox> {
    const value = await this.#context.store.get(channelKey(channelIdToBytes(id)));
    if (value === undefined) throw new NodeError({ code: "channel_unknown", fields: { channelId: id } });
    const mailbox = new ChannelMailbox(this.#context, decodeChannelState(id, value), channelSequence(value));
    this.#keep(mailbox);
    this.#unread.delete(id);
    if (needsAttention(mailbox.state)) this.attention.add(id);
    return mailbox;
  }

  #index(id: ChannelId, signer: Address): void {
    let channels = this.#byPeer.get(signer);
    if (channels === undefined) {
      channels = { signer, ids: new Set() };
      this.#byPeer.set(signer, channels);
    }
    channels.ids.add(id);
    this.#peers.set(id, channels);
  }

  #keep(mailbox: ChannelMailbox): void {
    this.#loaded.set(mailbox.channelId, mailbox);
    if (this.#loaded.size <= MAX_LOADED) return;
    let tries = EVICTION_TRIES;
    for (const [id, candidate] of this.#loaded) {
      if (tries-- === 0) return;
      this.#loaded.delete(id);
      if (candidate.isIdle && candidate !== mailbox) return;
      this.#loaded.set(id, candidate); // in use: to the back of the line
    }
  }
}

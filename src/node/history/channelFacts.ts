import {
  type Address,
  addressFromBytes,
  type ChannelId,
  type ChannelState,
  channelIdToBytes,
  type Side,
} from "../../protocol/index.ts";
import { decodeChannelState } from "../../store/channelRecord.ts";
import { channelKey } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";

/** What never changes about a channel. */
export interface ChannelFacts {
  readonly channelId: ChannelId;
  readonly idBytes: Uint8Array;
  readonly side: Side;
  /** The other side's signer. */
  readonly peer: Address;
  readonly token: Address;
}

/** Channels whose facts are kept in memory: about 300 bytes each. */
const MAX_KNOWN = 10_000;

/** Reads channels without taking them up: a list must not fill the memory with mailboxes. */
export class ChannelFactsReader {
  readonly #store: StoreReader;
  readonly #loaded: (id: ChannelId) => ChannelState | undefined;
  readonly #known = new Map<ChannelId, ChannelFacts>();

  /** `loaded` gives the state of a channel that is in memory anyway. */
  constructor(store: StoreReader, loaded: (id: ChannelId) => ChannelState | undefined) {
    this.#store = store;
    this.#loaded = loaded;
  }

  /** The channel as this node knows it now; undefined for one it does not know. */
  async state(id: ChannelId): Promise<ChannelState | undefined> {
    const loaded = this.#loaded(id);
    if (loaded !== undefined) return loaded;
    const bytes = await this.#store.get(channelKey(channelIdToBytes(id)));
    // Taken up meanwhile: what was read may be old.
    return this.#loaded(id) ?? (bytes && decodeChannelState(id, bytes));
  }

  async facts(id: ChannelId): Promise<ChannelFacts | undefined> {
    return this.#known.get(id) ?? this.#learn(await this.state(id));
  }

  /** Many channels as they are now, with one read. Channels that are not known are left out. */
  async states(ids: Iterable<ChannelId>): Promise<Map<ChannelId, ChannelState>> {
    const wanted = [...new Set(ids)];
    const absent = wanted.filter((id) => this.#loaded(id) === undefined);
    const read = await this.#store.getMany(absent.map((id) => channelKey(channelIdToBytes(id))));
    const found = new Map(absent.map((id, at) => [id, read[at]]));
    const states = new Map<ChannelId, ChannelState>();
    for (const id of wanted) {
      const bytes = found.get(id);
      const state = this.#loaded(id) ?? (bytes && decodeChannelState(id, bytes));
      if (state !== undefined) states.set(id, state);
    }
    return states;
  }

  /** The facts of many channels, with one read of those that are not known yet. */
  async allFacts(ids: Iterable<ChannelId>): Promise<Map<ChannelId, ChannelFacts>> {
    const all = new Map<ChannelId, ChannelFacts>();
    const unknown: ChannelId[] = [];
    for (const id of ids) {
      const known = this.#known.get(id);
      if (known === undefined) unknown.push(id);
      else all.set(id, known);
    }
    if (unknown.length > 0) {
      for (const [id, state] of await this.states(unknown)) all.set(id, this.#learn(state));
    }
    return all;
  }

  #learn(state: ChannelState): ChannelFacts;
  #learn(state: ChannelState | undefined): ChannelFacts | undefined;
  #learn(state: ChannelState | undefined): ChannelFacts | undefined {
    if (state === undefined) return undefined;
    const facts: ChannelFacts = {
      channelId: state.id,
      idBytes: state.idBytes,
      side: state.side,
      peer: addressFromBytes(state.counterpartySigner),
      token: state.terms.channel.token,
    };
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(state.id, facts);
    return facts;
  }
}

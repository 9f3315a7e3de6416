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
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const state = await this.state(id);
    if (state === undefined) return undefined;
    const facts: ChannelFacts = {
      channelId: id,
      idBytes: state.idBytes,
      side: state.side,
      peer: addressFromBytes(state.counterpartySigner),
      token: state.terms.channel.token,
    };
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(id, facts);
    return facts;
  }
}

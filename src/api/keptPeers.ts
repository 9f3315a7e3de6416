import type { RivuletNode } from "../node/node.ts";
import type { Address } from "../protocol/index.ts";
import { ApiError } from "./error.ts";
import type { Peer } from "./schema/node.ts";

/** Where a peer is reached, kept over restarts. */
interface KeptPeer {
  readonly addresses: readonly string[];
}

const NAMESPACE = "kept-peer";

/** Addresses kept of one peer: the newest stay. */
const MAX_ADDRESSES = 8;

/** Peers of the last sessions whose end is remembered. */
const MAX_REMEMBERED = 1_000;

/** Peers an operator asked to stay connected with, and what is known of all others. */
export class KeptPeers {
  readonly #node: RivuletNode;
  /** Since when there is a session (Unix seconds), or why the last one ended. */
  readonly #sessions = new Map<Address, { readonly since?: number; readonly lastError?: string }>();

  constructor(node: RivuletNode) {
    this.#node = node;
    node.on("peer", ({ signer, connected, reason, remoteCode }) => {
      this.#sessions.delete(signer);
      const lastError = remoteCode ?? reason;
      if (connected) this.#sessions.set(signer, { since: Math.floor(Date.now() / 1000) });
      else this.#sessions.set(signer, lastError === undefined ? {} : { lastError });
      if (this.#sessions.size > MAX_REMEMBERED) this.#sessions.delete(this.#sessions.keys().next().value!);
    });
  }

  /** Goes on keeping those of before. */
  async resume(): Promise<void> {
    for await (const { value } of this.#node.records.list<KeptPeer>(NAMESPACE)) {
      for (const address of value.addresses) this.#node.keepConnected(address);
    }
  }

  /** Connects and stays connected, over restarts too. Rejects with why the peer was not reached. */
  async connect(address: string, signal: AbortSignal): Promise<Peer> {
    const signer = await this.#node.connect(address, { signal });
    await this.keep(signer, address);
    return (await this.list()).find((peer) => peer.signer === signer)!;
  }

  async keep(signer: Address, address: string): Promise<void> {
    const { records } = this.#node;
    const known = (await records.get<KeptPeer>(NAMESPACE, signer))?.addresses ?? [];
    const addresses = [address, ...known.filter((other) => other !== address)].slice(0, MAX_ADDRESSES);
    await records.put(NAMESPACE, signer, { addresses } satisfies KeptPeer, { sync: true });
  }

  /** Forgets where a peer is and lets it go. Throws `not_found` for one that is not known. */
  async forget(signer: Address): Promise<void> {
    const { records, overview } = this.#node;
    const kept = await records.get<KeptPeer>(NAMESPACE, signer);
    if (kept === undefined && !overview.peers().some((peer) => peer.signer === signer)) {
      throw new ApiError({ code: "not_found", fields: { what: "peer", id: signer } });
    }
    await records.delete(NAMESPACE, signer, { sync: true });
    await this.#node.disconnect(signer, kept?.addresses ?? []);
  }

  async list(): Promise<Peer[]> {
    const { records, overview } = this.#node;
    const kept = new Map<string, KeptPeer>();
    for await (const { key, value } of records.list<KeptPeer>(NAMESPACE)) kept.set(key, value);
    const peers = overview.peers().map((info) => {
      const entry = kept.get(info.signer);
      kept.delete(info.signer);
      return this.#peerOf(info, entry);
    });
    const absent = { peerId: undefined, participant: undefined, connected: false, channels: 0 };
    for (const [signer, entry] of kept)
      peers.push(this.#peerOf({ signer: signer as Address, ...absent }, entry));
    return peers.sort((a, b) => (a.signer < b.signer ? -1 : 1));
  }

  #peerOf(info: ReturnType<RivuletNode["overview"]["peers"]>[number], kept: KeptPeer | undefined): Peer {
    const { signer, peerId, participant, connected, channels } = info;
    const { since, lastError } = this.#sessions.get(signer) ?? {};
    return {
      signer,
      connected,
      channels,
      kept: kept !== undefined,
      addresses: [...(kept?.addresses ?? [])],
      ...(peerId !== undefined && { peerId }),
      ...(participant !== undefined && { participant }),
      ...(connected && since !== undefined && { since }),
      ...(!connected && lastError !== undefined && { lastError }),
    };
  }
}

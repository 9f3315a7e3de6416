import type { PeerHost } from "../p2p/peerHost.ts";
import type { Address, Phase } from "../protocol/index.ts";
import type { ChannelInfo } from "./channelInfo.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";

interface OverviewInit {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly host: PeerHost;
  readonly crypto: "native" | "js";
}

export interface PeerInfo {
  readonly signer: Address;
  readonly peerId: string | undefined;
  readonly participant: Address | undefined;
  readonly connected: boolean;
  readonly channels: number;
}

/** Sums over channels in one token, base units. */
export interface TokenTotals {
  readonly channels: number;
  readonly sendCapacity: bigint;
  readonly receiveCapacity: bigint;
}

export interface ChannelTotals {
  readonly phases: Readonly<Record<Phase, number>>;
  /** Of channels that are opening, open or closing. */
  readonly tokens: ReadonlyMap<Address, TokenTotals>;
}

/** Sums are looked up again after this long, and not before twenty times of what it took: one part in twenty of a core at most. */
const LEAST_AGE_MS = 2_000;
const AGE_FACTOR = 20;

/** What an operator looks at. */
export class Overview {
  readonly crypto: "native" | "js";
  readonly #init: OverviewInit;
  #totals: { readonly told: Promise<ChannelTotals>; until: number } | undefined;

  constructor(init: OverviewInit) {
    this.#init = init;
    this.crypto = init.crypto;
  }

  get peerId(): string {
    return this.#init.host.peerId;
  }

  get chainId(): bigint {
    return this.#init.context.chainId;
  }

  get escrow(): Address {
    return this.#init.context.escrow.address;
  }

  /** Open connections, with or without a session. */
  get connections(): number {
    return this.#init.host.connections();
  }

  /** Tells `listener` how long every batch takes to write, seconds, and whether it is synced. One listener at a time. */
  onWrite(listener: (seconds: number, synced: boolean) => void): void {
    this.#init.context.committer.onWrite = listener;
  }

  /** Records that wait to be written. */
  get waitingRecords(): number {
    return this.#init.context.committer.waiting;
  }

  /** Transactions that are not over. */
  get pendingTransactions(): number {
    return this.#init.context.chain.pendingTransactions;
  }

  /** Peers with a session or with channels. */
  peers(): PeerInfo[] {
    const { host, channels } = this.#init;
    const signers = new Set([...host.sessions().map(({ remote }) => remote.signer), ...channels.peers()]);
    return [...signers].map((signer) => {
      const remote = host.session(signer)?.remote;
      return {
        signer,
        peerId: remote?.peerId,
        participant: remote?.participant,
        connected: remote !== undefined,
        channels: channels.ofPeer(signer).size,
      };
    });
  }

  get connectedPeers(): number {
    return this.#init.host.sessions().length;
  }

  /** Sums over all channels, at most some seconds old. */
  totals(): Promise<ChannelTotals> {
    const now = performance.now();
    if (this.#totals !== undefined && now < this.#totals.until) return this.#totals.told;
    const entry = { told: this.#count(), until: Number.POSITIVE_INFINITY };
    this.#totals = entry;
    const settle = () => {
      const done = performance.now();
      entry.until = done + Math.max(LEAST_AGE_MS, AGE_FACTOR * (done - now));
    };
    entry.told.then(settle, () => {
      this.#totals = undefined;
    });
    return entry.told;
  }

  async #count(): Promise<ChannelTotals> {
    const { channels, context } = this.#init;
    const phases = { opening: 0, open: 0, closing: 0, settled: 0 };
    const tokens = new Map<Address, TokenTotals>();
    for await (const info of channels.list({ signal: context.stopping })) {
      phases[info.phase]++;
      if (info.phase !== "settled") add(tokens, info);
    }
    return { phases, tokens };
  }
}

function add(tokens: Map<Address, TokenTotals>, info: ChannelInfo): void {
  const { channels, sendCapacity, receiveCapacity } = tokens.get(info.token) ?? NONE;
  tokens.set(info.token, {
    channels: channels + 1,
    sendCapacity: sendCapacity + info.sendCapacity,
    receiveCapacity: receiveCapacity + info.receiveCapacity,
  });
}

const NONE: TokenTotals = { channels: 0, sendCapacity: 0n, receiveCapacity: 0n };

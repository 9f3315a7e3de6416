import type { ConnectionGater, MultiaddrConnection } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { PeerLimits } from "./limits.ts";
import { endWebSocketAfter } from "./webSocketEnd.ts";

const CODE_IP4 = 4;
const CODE_IP6 = 41;
/** An IPv6 customer owns at least a /64, so that is one host. */
const IP6_PREFIX_BYTES = 8;

/** Who a connection counts for: an IPv4 address or an IPv6 /64. */
export function hostOf(address: Multiaddr): string {
  for (const { code, value, bytes } of address.getComponents()) {
    if (code === CODE_IP4) return value ?? "ip4";
    // One byte of code, then the address.
    if (code === CODE_IP6 && bytes !== undefined)
      return [...bytes.subarray(1, 1 + IP6_PREFIX_BYTES)].join(".");
  }
  return "other";
}

interface HostCount {
  open: number;
  pending: number;
}

/**
 * Counts inbound connections by host, from accept to close, and refuses a host's next one beyond its bounds, so that
 * one host can use up neither the connections nor the places for handshakes of all others.
 */
export class Gate {
  readonly #limits: PeerLimits;
  readonly #hosts = new Map<string, HostCount>();
  readonly #pending = new WeakSet<MultiaddrConnection>();
  readonly #lingering = new Map<string, number>();

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  /** Hosts that have a connection at the moment. */
  get hosts(): number {
    return this.#hosts.size;
  }

  /** Whether to refuse `connection`; counts it if not. */
  refuses(connection: MultiaddrConnection): boolean {
    const host = hostOf(connection.remoteAddr);
    const count = this.#hosts.get(host) ?? { open: 0, pending: 0 };
    if (count.open >= this.#limits.maxConnectionsPerHost) return true;
    if (count.pending >= this.#limits.maxPendingPerHost) return true;
    count.open++;
    count.pending++;
    this.#hosts.set(host, count);
    this.#pending.add(connection);
    connection.addEventListener("close", () => {
      this.settle(connection);
      count.open--;
      if (count.open === 0) this.#hosts.delete(host);
    });
    return false;
  }

  /** The connection's encryption and multiplexing are agreed: it no longer takes a place for handshakes. */
  settle(connection: MultiaddrConnection): void {
    if (!this.#pending.delete(connection)) return;
    const count = this.#hosts.get(hostOf(connection.remoteAddr));
    if (count !== undefined) count.pending--;
  }

  /** Counts the WebSockets to `peerId` that it does not let us close, so that it cannot collect them. */
  #linger(peerId: string, lingers: boolean): void {
    const count = (this.#lingering.get(peerId) ?? 0) + (lingers ? 1 : -1);
    if (count > 0) this.#lingering.set(peerId, count);
    else this.#lingering.delete(peerId);
  }

  gater(): ConnectionGater {
    const { closeMs, maxLingeringSockets } = this.#limits;
    return {
      denyDialMultiaddr: () => false,
      denyDialPeer: (peer) => (this.#lingering.get(peer.toString()) ?? 0) >= maxLingeringSockets,
      denyInboundConnection: (connection) => {
        endWebSocketAfter(connection, closeMs, () => undefined);
        return this.refuses(connection);
      },
      denyOutboundConnection: (peer, connection) => {
        endWebSocketAfter(connection, closeMs, (lingers) => this.#linger(peer.toString(), lingers));
        return false;
      },
      denyInboundUpgradedConnection: (_peer, connection) => {
        this.settle(connection);
        return false;
      },
    };
  }
}

import type { ConnectionGater, MultiaddrConnection } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { PeerLimits } from "./limits.ts";
import { endWebSocketAfter } from "./webSocketEnd.ts";

/** The eight groups of an IPv6 address as numbers. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const first = parse(head);
  const last = tail === undefined ? [] : parse(tail);
  return [...first, ...new Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0), ...last];
}

/**
 * Who a connection counts for: an IPv4 address, or an IPv6 /64, the least that one customer owns. An IPv4 address in
 * IPv6 form is itself.
 */
export function hostOf(address: Multiaddr): string {
  for (const { name, value } of address.getComponents()) {
    if (name === "ip4" && value !== undefined) return value;
    if (name !== "ip6" || value === undefined) continue;
    const groups = groupsOf(value);
    const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
    if (!mapped) return groups.slice(0, 4).join(":");
    const [high = 0, low = 0] = groups.slice(6);
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
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

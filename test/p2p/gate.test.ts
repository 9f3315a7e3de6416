import type { MultiaddrConnection } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { describe, expect, it } from "vitest";
import { Gate, hostOf } from "../../src/p2p/gate.ts";
import { PEER_LIMITS } from "../../src/p2p/limits.ts";

function connectionFrom(address: string) {
  const target = new EventTarget() as EventTarget & { remoteAddr: unknown };
  target.remoteAddr = multiaddr(address);
  const connection = target as unknown as MultiaddrConnection;
  return { connection, close: () => target.dispatchEvent(new Event("close")) };
}

describe("the gate", () => {
  it("takes an IPv4 address for a host, and a whole IPv6 /64", () => {
    const host = (address: string) => hostOf(multiaddr(address));
    expect(host("/ip4/10.0.0.1/tcp/1")).toBe(host("/ip4/10.0.0.1/tcp/2/ws"));
    expect(host("/ip4/10.0.0.1/tcp/1")).not.toBe(host("/ip4/10.0.0.2/tcp/1"));
    expect(host("/ip6/2001:db8:1:2::1/tcp/1")).toBe(host("/ip6/2001:db8:1:2:ffff::9/tcp/1"));
    expect(host("/ip6/2001:db8:1:2::1/tcp/1")).not.toBe(host("/ip6/2001:db8:1:3::1/tcp/1"));
    expect(host("/ip6/::1/tcp/1")).toBe("0:0:0:0");
    // Otherwise all IPv4 callers of a dual-stack listener would be one host.
    expect(host("/ip6/::ffff:10.0.0.1/tcp/1")).toBe(host("/ip4/10.0.0.1/tcp/1"));
  });

  it("counts a host's open connections and handshakes apart, gives places back, and forgets who left", () => {
    const gate = new Gate({ ...PEER_LIMITS, maxConnectionsPerHost: 3, maxPendingPerHost: 2 });
    const mine = Array.from({ length: 4 }, () => connectionFrom("/ip4/10.0.0.1/tcp/1"));
    expect(gate.refuses(mine[0]!.connection)).toBe(false);
    expect(gate.refuses(mine[1]!.connection)).toBe(false);
    // Two handshakes under way: no third, until one is through.
    expect(gate.refuses(mine[2]!.connection)).toBe(true);
    gate.settle(mine[0]!.connection);
    expect(gate.refuses(mine[2]!.connection)).toBe(false);
    gate.settle(mine[1]!.connection);
    gate.settle(mine[1]!.connection);
    // Three connections: no fourth, but others are not concerned.
    expect(gate.refuses(mine[3]!.connection)).toBe(true);
    expect(gate.refuses(connectionFrom("/ip4/10.0.0.2/tcp/1").connection)).toBe(false);
    mine[2]!.close();
    expect(gate.refuses(mine[3]!.connection)).toBe(false);
    expect(gate.hosts).toBe(2);
    for (const { close } of [mine[0]!, mine[1]!, mine[3]!]) close();
    expect(gate.hosts).toBe(1);
  });
});

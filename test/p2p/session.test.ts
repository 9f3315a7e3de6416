import { afterEach, describe, expect, it } from "vitest";
import { ack, noncesOf, soon, startHost, stopHosts, TCP, until, update, WS } from "./harness.ts";

afterEach(stopHosts);

describe.each([
  ["TCP", TCP],
  ["WebSocket", WS],
])("a session over %s", (_name, listen) => {
  it("begins with both proven to each other, and carries messages both ways in order", async () => {
    const a = await startHost(1, { listen: [listen], features: ["locks", "gossip"] });
    const b = await startHost(2, { listen: [listen], features: ["gossip", "other"] });
    const session = await a.host.connect(b.address, soon());
    await until("b has a session", () => b.opened.length === 1);

    expect(session.remote).toMatchObject({
      peerId: b.host.peerId,
      signer: b.host.signer,
      participant: `0x${"02".repeat(20)}`,
      features: ["gossip"],
    });
    expect(b.opened[0]!.remote).toMatchObject({ signer: a.host.signer, features: ["gossip"] });
    expect(a.host.session(b.host.signer)).toBe(session);
    expect(await a.host.connect(b.address, soon())).toBe(session);

    for (let nonce = 1; nonce <= 500; nonce++) {
      session.send(nonce % 50 === 0 ? update(nonce, 100_000) : ack(nonce));
      b.opened[0]!.send(ack(nonce));
    }
    await until("all arrived", () => b.received.length === 500 && a.received.length === 500);
    const expected = Array.from({ length: 500 }, (_, i) => i + 1);
    expect(noncesOf(b.received)).toEqual(expected);
    expect(noncesOf(a.received)).toEqual(expected);
    expect(Math.max(...b.batches)).toBeGreaterThan(1);
    expect(a.opened).toHaveLength(1);
    expect(b.opened).toHaveLength(1);
  });

  it("is not waited for where another program listens, and the address is named", async () => {
    const a = await startHost(1, { listen: [listen] });
    const taken = a.address.replace(/\/p2p\/.*$/, "");
    await expect(startHost(2, { listen: [taken] })).rejects.toMatchObject({
      code: "listen_failed",
      fields: { reason: expect.stringMatching(new RegExp(`^${taken}: .*EADDRINUSE[^\\n]*$`)) },
    });
  });

  it("ends on both sides with the reason that was given, after everything sent before", async () => {
    const a = await startHost(1, { listen: [listen] });
    const b = await startHost(2, { listen: [listen] });
    const session = await a.host.connect(b.address, soon());
    for (let nonce = 1; nonce <= 20; nonce++) session.send(ack(nonce));
    await session.close({ code: "nonce_fork", fields: { nonce: 7n } });
    expect(session.send(ack(21))).toBe(false);
    expect(session.closed.reason).toMatchObject({ code: "nonce_fork", fields: { nonce: "7" } });
    await until("b was told", () => b.closed.length === 1);
    expect(noncesOf(b.received)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(b.closed[0]!.reason).toMatchObject({
      code: "remote_error",
      fields: { code: "nonce_fork", nonce: "7" },
    });
    expect(a.closed).toHaveLength(1);
    expect(a.host.session(b.host.signer)).toBeUndefined();
    await expect(session.drained()).rejects.toMatchObject({ code: "nonce_fork" });
    // And a new one can begin at once.
    const again = await a.host.connect(b.address, soon());
    expect(again).not.toBe(session);
    await until("b has it too", () => b.opened.length === 2);
  });

  it("ends quietly when closed without a reason, and when the host stops", async () => {
    const a = await startHost(1, { listen: [listen] });
    const b = await startHost(2, { listen: [listen] });
    const session = await a.host.connect(b.address, soon());
    await session.close();
    await until("b noticed", () => b.closed.length === 1);
    expect(b.closed[0]!.reason.code).toBe("remote_closed");
    await a.host.connect(b.address, soon());
    await until("b has a session", () => b.opened.length === 2);
    await b.host.stop();
    await until("a noticed", () => a.closed.length === 2);
    expect(a.closed[1]!.reason).toMatchObject({ code: "remote_error", fields: { code: "host_stopped" } });
  });
});

describe("a session", () => {
  it("closes when the handler of its messages fails, and only that one", async () => {
    const b = await startHost(2, {
      onMessages: (session) => {
        if (session.remote.participant.startsWith("0x01")) throw new Error("a bug");
      },
    });
    const a = await startHost(1);
    const c = await startHost(3);
    const bad = await a.host.connect(b.address, soon());
    const good = await c.host.connect(b.address, soon());
    bad.send(ack(1));
    await until("a was told", () => a.closed.length === 1);
    expect(a.closed[0]!.reason).toMatchObject({ code: "remote_error", fields: { code: "internal_error" } });
    good.send(ack(2));
    await until("c is heard", () => b.received.length === 2);
    expect(good.closed.aborted).toBe(false);
  });

  it("takes no more while paused, and everything in order after", async () => {
    const a = await startHost(1);
    const b = await startHost(2);
    const session = await a.host.connect(b.address, soon());
    await until("b has a session", () => b.opened.length === 1);
    b.opened[0]!.pause();
    let sent = 0;
    // More than the peer's window: the sender is told to wait.
    while (session.send(update(++sent, 100_000)) && sent < 500);
    expect(sent).toBeLessThan(100);
    await new Promise((resolve) => setTimeout(resolve, 200));
    while (session.send(update(++sent, 100_000)) && sent < 500);
    expect(session.queuedBytes).toBeGreaterThan(1_000_000);
    expect(b.received.length).toBe(0);
    const drained = session.drained(AbortSignal.timeout(8_000));
    b.opened[0]!.resume();
    await drained;
    await until("all arrived", () => b.received.length === sent);
    expect(noncesOf(b.received)).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
    expect(session.closed.aborted).toBe(false);
  });

  it("with a peer that reads nothing ends after the bound, and waiting for it is not forever", async () => {
    const a = await startHost(1, { limits: { stallMs: 300 } });
    const b = await startHost(2);
    const session = await a.host.connect(b.address, soon());
    await until("b has a session", () => b.opened.length === 1);
    b.opened[0]!.pause();
    for (let nonce = 1; nonce < 60; nonce++) session.send(update(nonce, 100_000));
    await expect(session.drained(AbortSignal.timeout(50))).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(session.drained()).rejects.toMatchObject({ code: "peer_stalled" });
    expect(session.closed.reason.code).toBe("peer_stalled");
  });

  it("ends rather than queue without bound for somebody who ignores the answer of send", async () => {
    const a = await startHost(1, { limits: { maxQueuedBytes: 4_000_000 } });
    const b = await startHost(2);
    const session = await a.host.connect(b.address, soon());
    let highest = 0;
    for (let nonce = 1; nonce < 100; nonce++) {
      session.send(update(nonce, 100_000));
      highest = Math.max(highest, session.queuedBytes);
    }
    expect(session.closed.reason.code).toBe("send_queue_overflow");
    expect(highest).toBeLessThan(4_200_000);
    expect(session.queuedBytes).toBeLessThan(4_200_000);
  });
});

describe("connecting", () => {
  it("at the same time from both sides gives one session, the same one at both", async () => {
    for (let round = 0; round < 8; round++) {
      const a = await startHost(1);
      const b = await startHost(2);
      const [one, other] = await Promise.all([
        a.host.connect(b.address, soon()),
        b.host.connect(a.address, soon()),
      ]);
      one.send(ack(1));
      other.send(ack(2));
      await until("both heard", () => b.received.length >= 1 && a.received.length >= 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect([noncesOf(b.received), noncesOf(a.received)]).toEqual([[1], [2]]);
      expect([a.opened.length, b.opened.length, a.closed.length, b.closed.length]).toEqual([1, 1, 0, 0]);
      expect(one.closed.aborted || other.closed.aborted).toBe(false);
      await stopHosts();
    }
  });

  it("several times at once gives one session", async () => {
    const a = await startHost(1);
    const b = await startHost(2);
    const sessions = await Promise.all(Array.from({ length: 5 }, () => a.host.connect(b.address, soon())));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const live = a.host.session(b.host.signer)!;
    expect(new Set(sessions)).toEqual(new Set([live]));
    expect([a.opened.length, b.opened.length, a.closed.length, b.closed.length]).toEqual([1, 1, 0, 0]);
    live.send(ack(1));
    await until("b hears it", () => b.received.length === 1);
  });

  it("fails with a code: no such address, nobody there, oneself, or in time", async () => {
    const a = await startHost(1);
    const b = await startHost(2);
    const fails = (address: string, signal = AbortSignal.timeout(8_000)) =>
      expect(a.host.connect(address, { signal })).rejects;
    await fails("not an address").toMatchObject({ code: "address_invalid" });
    await fails("/ip4/127.0.0.1/tcp/1").toMatchObject({ code: "address_invalid" });
    await fails(a.address).toMatchObject({ code: "dial_failed" });
    await b.host.stop();
    await fails(b.address).toMatchObject({ code: "dial_failed" });
    const control = new AbortController();
    control.abort(new Error("changed my mind"));
    await fails(b.address, control.signal).toThrow("changed my mind");
    expect(() => a.host.keepConnected("nonsense")).toThrow("not an address of a peer");
  });

  it("to an address under which another peer answers fails", async () => {
    const a = await startHost(1);
    const b = await startHost(2);
    const c = await startHost(3);
    const wrong = b.address.replace(b.host.peerId, c.host.peerId);
    await expect(a.host.connect(wrong, soon())).rejects.toMatchObject({ code: "dial_failed" });
    expect(b.opened).toHaveLength(0);
  });
});

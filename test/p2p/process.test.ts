import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { ack, childPath, noncesOf, soon, startHost, stopHosts, TCP, until, WS } from "./harness.ts";

const children: ChildProcess[] = [];

afterEach(async () => {
  await stopHosts();
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts a host in another process; resolves with its address. */
async function startChild(
  index: number,
  listen = TCP,
  ...peer: string[]
): Promise<{ child: ChildProcess; address: string }> {
  const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, childPath, String(index), listen, ...peer], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! });
  const [address] = await once(lines, "line", { signal: AbortSignal.timeout(20_000) });
  return { child, address };
}

/** The address without the peer id, to listen on again. */
const listenOf = (address: string) => address.replace(/\/p2p\/.*/, "");

describe("a peer in another process", () => {
  it("is reached, answers, and is found again after it was killed and started anew", async () => {
    const first = await startChild(2);
    const a = await startHost(1, { limits: { backoffBaseMs: 50, backoffMaxMs: 200 } });
    const stop = a.host.keepConnected(first.address);
    await until("a session", () => a.opened.length === 1);
    for (let nonce = 1; nonce <= 1000; nonce++) a.opened[0]!.send(ack(nonce));
    await until("all came back", () => a.received.length === 1000);
    expect(noncesOf(a.received)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));

    first.child.kill("SIGKILL");
    await until("the session ended", () => a.closed.length === 1);
    expect(["connection_lost", "remote_closed"]).toContain(a.closed[0]!.reason.code);
    const second = await startChild(2, listenOf(first.address));
    expect(second.address).toBe(first.address);
    await until("a second session", () => a.opened.length === 2);
    a.opened[1]!.send(ack(1001));
    await until("it answers", () => a.received.length === 1001);

    stop();
    second.child.kill("SIGKILL");
    await until("it ended too", () => a.closed.length === 2);
    await startChild(2, listenOf(first.address));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(a.opened).toHaveLength(2);
  }, 60_000);

  it("that freezes is let go within the bound, and taken again when it thaws", async () => {
    const frozen = await startChild(2);
    const a = await startHost(1, {
      limits: {
        pingMs: 200,
        pingTimeoutMs: 400,
        backoffBaseMs: 50,
        backoffMaxMs: 200,
        dialMs: 500,
        handshakeMs: 500,
      },
    });
    a.host.keepConnected(frozen.address);
    await until("a session", () => a.opened.length === 1);
    frozen.child.kill("SIGSTOP");
    await until("it is let go", () => a.closed.length === 1);
    expect(a.closed[0]!.reason.code).toBe("connection_lost");
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(a.opened).toHaveLength(1);
    frozen.child.kill("SIGCONT");
    await until("a session again", () => a.opened.length === 2, 15_000);
    a.opened.at(-1)!.send(ack(5));
    await until("it answers", () => a.received.length === 1);
  }, 60_000);

  it.each([
    ["that it opened", TCP, true],
    ["that we opened", TCP, false],
    ["that it opened", WS, true],
  ])(
    "that freezes keeps no socket %s, over %s",
    async (_who, listen, inbound) => {
      const sockets = () =>
        process.getActiveResourcesInfo().filter((name) => name.startsWith("TCPSocket")).length;
      const a = await startHost(1, { listen: [listen], limits: { pingMs: 200, pingTimeoutMs: 400 } });
      await until("earlier tests' sockets are gone", () => sockets() === 0);
      const frozen = await startChild(2, listen, ...(inbound ? [a.address] : []));
      if (!inbound) await a.host.connect(frozen.address, soon());
      await until("a session", () => a.opened.length === 1);
      expect(sockets()).toBeGreaterThan(0);
      frozen.child.kill("SIGSTOP");
      await until("it is let go", () => a.closed.length === 1);
      await until("its socket is gone", () => sockets() === 0, 12_000);
      expect(a.host.connections()).toBe(0);
    },
    60_000,
  );

  it("that freezes is not dialled over WebSocket again and again, each time for a socket", async () => {
    const a = await startHost(1, {
      limits: { pingMs: 200, pingTimeoutMs: 400, maxLingeringSockets: 1, closeMs: 200 },
    });
    const frozen = await startChild(2, WS);
    await a.host.connect(frozen.address, soon());
    frozen.child.kill("SIGSTOP");
    await until("it is let go", () => a.closed.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await expect(a.host.connect(frozen.address, soon())).rejects.toMatchObject({
      code: "dial_failed",
      fields: { reason: expect.stringContaining("DialDenied") },
    });
    frozen.child.kill("SIGCONT");
    await until("the old one is gone, and it is dialled again", () => {
      void a.host.connect(frozen.address, soon()).catch(() => undefined);
      return a.opened.length === 2;
    });
  }, 60_000);

  it("started anew with the same key takes the place of its dead self", async () => {
    const a = await startHost(1);
    const first = await startChild(2);
    await a.host.connect(first.address, soon());
    // Frozen, not dead: its old connection stays open while the new process comes.
    first.child.kill("SIGSTOP");
    const second = await startHost(2);
    await second.host.connect(a.address, soon());
    await until("the new session", () => a.opened.length === 2);
    expect(a.closed.map(({ reason }) => reason.code)).toEqual(["session_replaced"]);
    a.opened[1]!.send(ack(9));
    await until("it is heard", () => second.received.length === 1);
    expect(a.host.sessions()).toEqual([a.opened[1]]);
  }, 30_000);
});

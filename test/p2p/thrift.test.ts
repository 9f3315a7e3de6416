import { Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ack, noncesOf, soon, startHost, stopHosts, TCP, until, update, WS } from "./harness.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await stopHosts();
});

/** Counts the range errors made from now on: making one takes a stack trace. */
function countRangeErrors(): () => number {
  let count = 0;
  const made = (args: [message?: string]) => {
    count++;
    return new Original(...args);
  };
  const Original = RangeError;
  const counting = new Proxy(Original, {
    apply: (_target, _this, args: [message?: string]) => made(args),
    construct: (_target, args: [message?: string]) => made(args),
  });
  vi.stubGlobal("RangeError", counting);
  return () => count;
}

/** Two hosts with a session; the second answers each message with itself. */
async function echo(listen: string) {
  const a = await startHost(1, { listen: [listen] });
  const b = await startHost(2, {
    listen: [listen],
    onMessages: (session, messages) => {
      for (const message of messages) session.send(message);
    },
  });
  const session = await a.host.connect(b.address, soon());
  return { a, session };
}

describe("a message and its answer", () => {
  it("are one write to the socket each, with no length by itself, no window update and no error after it", async () => {
    const { a, session } = await echo(TCP);
    session.send(ack(1));
    await until("the first answer", () => a.received.length === 1);
    const write = vi.spyOn(Socket.prototype, "write");
    const errors = countRangeErrors();
    const rounds = 100;
    for (let nonce = 2; nonce <= rounds + 1; nonce++) {
      session.send(ack(nonce));
      await until("the answer", () => a.received.length === nonce);
    }
    // A ping or a keep-alive may come between.
    expect(write.mock.calls.length).toBeGreaterThanOrEqual(2 * rounds);
    expect(write.mock.calls.length).toBeLessThanOrEqual(2 * rounds + 8);
    expect(errors()).toBeLessThan(rounds);
  }, 20_000);
});

describe.each([
  ["TCP", TCP],
  ["WebSocket", WS],
])("over %s many times the stream's window", (_name, listen) => {
  it.each([
    ["of small messages", 20_000, 0],
    ["of messages that fill half of it", 60, 131_000],
    ["of sizes that divide nothing", 200, 65_537],
  ])(
    "%s flows there and back, in order",
    async (_what, count, bytes) => {
      const { a, session } = await echo(listen);
      for (let nonce = 1; nonce <= count; nonce++) {
        if (!session.send(bytes === 0 ? ack(nonce) : update(nonce, bytes))) await session.drained();
      }
      await until("all came back", () => a.received.length === count, 15_000);
      expect(noncesOf(a.received)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    },
    20_000,
  );

  it("flows on after every pause", async () => {
    const { a, session } = await echo(listen);
    const count = 100;
    const pausing = (async () => {
      for (let i = 0; i < 10; i++) {
        session.pause();
        await new Promise((resolve) => setTimeout(resolve, 20));
        session.resume();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (let nonce = 1; nonce <= count; nonce++) {
      if (!session.send(update(nonce, 40_000))) await session.drained();
    }
    await pausing;
    await until("all came back", () => a.received.length === count, 15_000);
    expect(noncesOf(a.received)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  }, 20_000);
});

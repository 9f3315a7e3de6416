import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_UNDER_WAY } from "../../src/api/paying.ts";
import { Problem } from "../../src/api/schema/problem.ts";
import type { NodeOptions } from "../../src/node/index.ts";
import { ZERO_ADDRESS } from "../../src/protocol/index.ts";
import { freePort } from "../support/freePort.ts";
import { type DaemonWorld, openDaemons, until } from "./support/daemons.ts";
import { DaemonProcess } from "./support/processes.ts";

const DEPOSIT = 10n ** 15n;
/** What the API allows of connections at once: fewer than by default, so that a flood is more than it. */
const CONNECTIONS = 256;
const LIMITS = { connections: CONNECTIONS, payMs: 3_000 };
const MIB = 2 ** 20;

/** Calls sent over one connection without waiting for an answer. */
const PIPELINED = 16;

let world: DaemonWorld;
const sockets: Socket[] = [];
let alice: DaemonProcess;
let bob: DaemonProcess;
let bobs: NodeOptions;
let channelId: string;
/** Made so far, each of one unit and under a key of its own. */
let paid = 0;

beforeAll(async () => {
  world = await openDaemons();
  bobs = await world.options({ listen: [`/ip4/127.0.0.1/tcp/${await freePort()}`] });
  [alice, bob] = await Promise.all([
    world.options().then((options) => DaemonProcess.start(options, { limits: LIMITS })),
    DaemonProcess.start(bobs),
  ]);
  await world.fund(alice.place.account);
  const body = {
    peer: bob.place.address,
    token: ZERO_ADDRESS,
    deposit: `${DEPOSIT}`,
    challengePeriod: 600,
  };
  const begun = await alice.call("/v1/channels", { body, key: "open" });
  const { body: over } = await until(
    () => alice.call(`/v1/operations/${begun.body.operationId}`),
    ({ body: operation }) => operation.state !== "running",
  );
  channelId = over.channelId;
  await until(
    () => bob.call(`/v1/channels/${channelId}`),
    ({ body: channel }) => channel.phase === "open" && channel.connected,
  );
}, 120_000);
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await DaemonProcess.endAll();
  await world?.stop();
});

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function ask(agent: Agent, path: string, headers: Record<string, string>): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, alice.place.url), { agent, headers });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      text(response).then((body) => resolve({ status, type: headers["content-type"] ?? "", body }), reject);
    });
    sent.end();
  });
}

/** Pays one unit after the other, and resolves with the slowest, in milliseconds. */
async function payUntil(isOver: (made: number) => boolean): Promise<{ slowest: number; made: number }> {
  let slowest = 0;
  let made = 0;
  while (!isOver(made)) {
    const began = performance.now();
    const { status, body } = await alice.call("/v1/payments", {
      body: { channelId, amount: "1" },
      key: `payment ${paid++}`,
    });
    expect(status, JSON.stringify(body)).toBe(200);
    slowest = Math.max(slowest, performance.now() - began);
    made++;
  }
  return { slowest, made };
}

async function expectSent(): Promise<void> {
  expect((await alice.call(`/v1/channels/${channelId}`)).body.sent).toBe(`${paid}`);
}

async function expectWhole(): Promise<void> {
  await expectSent();
  expect((await bob.call(`/v1/channels/${channelId}`)).body.received).toBe(`${paid}`);
}

function expectProblem({ status, type, body }: Answered): void {
  expect(type).toMatch("application/problem+json");
  expect(Problem.parse(JSON.parse(body)).status).toBe(status);
}

describe("a flood of calls", () => {
  it("over hundreds of connections, with good tokens, wrong ones and none, holds up nobody's payments", async () => {
    const before = await alice.metric("process_resident_memory_bytes");
    const agent = new Agent({ keepAlive: true, maxSockets: 200 });
    const answers = new Map<number, number>();
    const odd: Answered[] = [];
    let isOver = false;
    const flood = async (headers: Record<string, string>, path: string) => {
      while (!isOver) {
        const answer = await ask(agent, path, headers);
        const count = answers.get(answer.status) ?? 0;
        answers.set(answer.status, count + 1);
        if (answer.status !== 200 && (count < 20 || ![401, 429].includes(answer.status))) odd.push(answer);
      }
    };
    const good = { authorization: `Bearer ${alice.place.adminToken}` };
    const flooding = Array.from({ length: 200 }, (_, n) => {
      if (n % 3 === 0) return flood(good, n % 2 === 0 ? "/v1/payments?limit=1000" : "/v1/channels");
      if (n % 3 === 1) return flood({ authorization: `Bearer wrong${n}` }, "/v1/channels");
      return flood({}, n % 2 === 0 ? "/openapi.json" : "/v1/channels");
    });
    const paying = payUntil((made) => isOver && made >= 5);
    const health: number[] = [];
    for (let i = 0; i < 15; i++) {
      await sleep(200);
      const began = performance.now();
      expect((await fetch(`${alice.place.url}/healthz`)).status).toBe(200);
      health.push(performance.now() - began);
    }
    isOver = true;
    const { slowest } = await paying;
    await Promise.all(flooding);
    agent.destroy();
    const after = await alice.metric("process_resident_memory_bytes");
    expect(after - before).toBeLessThan(300 * MIB);
    expect([...answers.keys()].sort()).toEqual([200, 401, 429]);
    for (const answer of odd) expectProblem(answer);
    expect(slowest).toBeLessThan(10_000);
    expect(Math.max(...health)).toBeLessThan(10_000);
    await expectWhole();
  }, 120_000);
});

describe("more payments than may wait", () => {
  it("are refused in form, unsigned, and each is made once with the same key later", async () => {
    await bob.end("SIGTERM");
    await until(
      () => alice.call(`/v1/channels/${channelId}`),
      ({ body }) => !body.connected,
    );
    const body = JSON.stringify({ channelId, amount: "1" });
    const order = (n: number) =>
      `POST /v1/payments HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${alice.place.adminToken}\r\n` +
      `content-type: application/json\r\nidempotency-key: waiting ${n}\r\ncontent-length: ${body.length}\r\n` +
      `connection: ${n % PIPELINED === PIPELINED - 1 ? "close" : "keep-alive"}\r\n\r\n${body}`;
    const count = MAX_UNDER_WAY + 5 * PIPELINED;
    const answered = Array.from({ length: count / PIPELINED }, async (_, n) => {
      const orders = Array.from({ length: PIPELINED }, (_, i) => order(n * PIPELINED + i));
      return text(await silent(orders.join("")));
    });
    expect((await fetch(`${alice.place.url}/healthz`)).status).toBe(200);
    const problems = (await Promise.all(answered))
      .join("")
      .split("HTTP/1.1 ")
      .slice(1)
      .map((answer) => Problem.parse(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))));
    expect(problems.length).toBe(count);
    const of = (code: string) => problems.filter((problem) => problem.code === code);
    expect(of("queue_full").length).toBeGreaterThanOrEqual(count - MAX_UNDER_WAY);
    expect(of("queue_full")[0]).toMatchObject({ status: 429, moneyAtStake: false });
    expect(of("peer_away")[0]).toMatchObject({ status: 504, moneyAtStake: false });
    expect(of("queue_full").length + of("peer_away").length).toBe(count);
    await expectSent();
    bob = await DaemonProcess.start(bobs);
    await alice.call("/v1/peers", { body: { address: bob.place.address } });
    let next = 0;
    const again = async () => {
      while (next < count) {
        const key = `waiting ${next++}`;
        await until(
          () => alice.call("/v1/payments", { body: JSON.parse(body), key }),
          ({ status }) => status === 200,
        );
      }
    };
    await Promise.all(Array.from({ length: 32 }, again));
    paid += count;
    await expectWhole();
  }, 120_000);
});

/** A connection that says `bytes` and then waits. */
async function silent(bytes: string): Promise<Socket> {
  const socket = connect(Number(new URL(alice.place.url).port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(bytes);
  return socket;
}

describe("more connections than there may be", () => {
  it.each([
    ["that say nothing", ""],
    ["whose headers never end", "GET /v1/channels HTTP/1.1\r\nhost: localhost\r\nx: "],
    [
      "of strangers whose calls never end",
      "POST /v1/payments HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer wrong\r\ncontent-length: 9\r\n\r\n{",
    ],
  ])(
    "%s, keep nobody out and break no payer's",
    async (_, bytes) => {
      const connected = new Agent({ keepAlive: true, maxSockets: 1 });
      const good = { authorization: `Bearer ${alice.place.adminToken}` };
      expect((await ask(connected, "/v1/channels", good)).status).toBe(200);
      let isOver = false;
      const paying = payUntil(() => isOver);
      for (let i = 0; i < 3 * CONNECTIONS; i++) await silent(bytes);
      // A new connection, while all are taken.
      const newcomer = new Agent({ keepAlive: false });
      expect((await ask(newcomer, "/v1/channels", good)).status).toBe(200);
      expect((await fetch(`${alice.place.url}/healthz`, { headers: { connection: "close" } })).status).toBe(
        200,
      );
      const again = ask(connected, "/v1/channels", good);
      await expect(again).resolves.toMatchObject({ status: 200 });
      isOver = true;
      expect((await paying).slowest).toBeLessThan(10_000);
      connected.destroy();
      await expectWhole();
    },
    30_000,
  );

  it("of one caller leave room for others, and it is told so", async () => {
    const good = `GET /v1/channels HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${alice.place.adminToken}\r\n\r\n`;
    const answers: string[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const socket = await silent(good);
      answers.push(String((await once(socket, "data"))[0]));
    }
    const refused = answers.filter((answer) => !answer.startsWith("HTTP/1.1 200"));
    expect(refused.length).toBeGreaterThanOrEqual(CONNECTIONS / 4);
    expect(refused[0]).toMatch(/^HTTP\/1.1 429 .*retry-after: 1.*"code":"rate_limited"/is);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expectWhole();
  }, 120_000);
});

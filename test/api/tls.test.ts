import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { Agent, request } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDaemon } from "../../src/api/daemon.ts";
import { selfSigned } from "./support/certificate.ts";
import { type DaemonWorld, openDaemons, type TestDaemon } from "./support/daemons.ts";

const CONNECTIONS = 40;
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

type Pair = ReturnType<typeof selfSigned>;

let world: DaemonWorld;
let directory: string;
let good: Pair;
let other: Pair;
let expired: Pair;
let early: Pair;
let daemon: TestDaemon;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rivulet-tls-"));
  const day = (offset: number) => new Date(Date.now() + offset * 86_400_000);
  good = selfSigned(day(-1), day(30));
  other = selfSigned(day(-1), day(30));
  expired = selfSigned(day(-9), day(-1));
  early = selfSigned(day(2), day(30));
  await writeFile(join(directory, "good.pem"), good.certificate);
  world = await openDaemons();
  daemon = await world.daemon({ host: "0.0.0.0", tls: good, limits: { connections: CONNECTIONS } });
}, 120_000);
afterAll(async () => {
  await world?.stop();
  await rm(directory, { recursive: true, force: true });
});

function port(): number {
  return Number(new URL(daemon.daemon.url).port);
}

async function call(
  ca: string | undefined,
  agent = new Agent({ ca, keepAlive: false }),
): Promise<{ status: number; body: string; reused: boolean }> {
  const headers = { authorization: `Bearer ${daemon.daemon.adminToken}` };
  const sent = request({ host: "127.0.0.1", port: port(), path: "/v1/channels", agent, headers });
  sent.end();
  const [response] = await once(sent, "response");
  return { status: response.statusCode, body: await text(response), reused: sent.reusedSocket };
}

describe("the API beyond loopback with TLS", () => {
  it("answers a client that knows its certificate, and none that does not is fooled", async () => {
    expect(daemon.daemon.url).toMatch(/^https:/);
    expect(await call(good.certificate)).toMatchObject({ status: 200, body: '{"items":[]}' });
    await expect(call(undefined)).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    await expect(call(other.certificate)).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  });

  it("answers nothing in the clear", async () => {
    const sent = plainRequest({ host: "127.0.0.1", port: port(), path: "/healthz" });
    sent.end();
    await expect(once(sent, "response")).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("is there for the command line, which trusts it where it is told to", async () => {
    const run = async (env: NodeJS.ProcessEnv) => {
      const child = spawn(process.execPath, [MAIN, "channels", "--json"], {
        env: {
          PATH: process.env.PATH,
          RIVULET_URL: `https://localhost:${port()}`,
          RIVULET_TOKEN: daemon.daemon.adminToken,
          ...env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [out, , [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      return { out, code };
    };
    const told = await run({ NODE_EXTRA_CA_CERTS: join(directory, "good.pem") });
    expect(JSON.parse(told.out)).toEqual({ items: [], more: false });
    expect((await run({})).code).not.toBe(0);
  }, 120_000);

  it("keeps room for callers beside connections that never begin TLS", async () => {
    const kept = new Agent({ ca: good.certificate, keepAlive: true, maxSockets: 1 });
    expect((await call(undefined, kept)).reused).toBe(false);
    const silent: Socket[] = [];
    for (let i = 0; i < 2 * CONNECTIONS; i++) {
      const socket = connect(port(), "127.0.0.1").on("error", () => {});
      await once(socket, "connect");
      silent.push(socket);
    }
    for (let i = 0; i < CONNECTIONS; i++) {
      expect((await call(good.certificate)).status).toBe(200);
    }
    // A connection that was called over before is nobody's to end.
    expect(await call(undefined, kept)).toMatchObject({ status: 200, reused: true });
    kept.destroy();
    for (const socket of silent) socket.destroy();
  });
});

describe("a certificate or key that cannot serve", () => {
  it.each<[string, () => Pair, string, RegExp]>([
    ["another certificate's key", () => ({ ...good, key: other.key }), "tls key", /not the certificate's/],
    ["no certificate", () => ({ ...good, certificate: good.key }), "tls certificate", /no PEM certificate/],
    ["no key", () => ({ ...good, key: good.certificate }), "tls key", /no PEM private key/],
    ["an empty file", () => ({ ...good, certificate: "" }), "tls certificate", /no PEM/],
  ])("%s is told before anything begins", async (_, tls, option, reason) => {
    const node = await world.options();
    const starting = startDaemon({ node, api: { host: "0.0.0.0", port: 0, tls: tls() }, version: "1" });
    await expect(starting).rejects.toMatchObject({
      code: "option_invalid",
      fields: { option, reason: expect.stringMatching(reason) },
    });
    await expect(access(node.directory)).rejects.toThrow();
  });

  it.each<[string, () => Pair, RegExp]>([
    ["has expired", () => expired, /it expired on /],
    ["is tomorrow's", () => early, /valid only from /],
  ])("but a certificate that %s keeps no node from watching over its channels", async (_, tls, reason) => {
    const lines: string[] = [];
    const log = pino({ level: "warn" }, { write: (line) => void lines.push(line) });
    const node = await world.options({ log });
    const daemon = await startDaemon({ node, api: { host: "0.0.0.0", port: 0, tls: tls() }, version: "1" });
    expect(daemon.node.chainStatus().fresh).toBe(true);
    await daemon.stop();
    expect(lines.filter((line) => reason.test(line))).toHaveLength(1);
  });
});

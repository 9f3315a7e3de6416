import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../../src/cli/exitCodes.ts";
import { FaultProxy } from "../chain/support/faultProxy.ts";
import { openWorld, type World } from "../node/support/world.ts";
import { Operator } from "./support/operator.ts";

let world: World;
let root: string;
let proxy: FaultProxy;
let isDown: boolean;
let operator: Operator;
let behindProxy: NodeJS.ProcessEnv;

beforeAll(async () => {
  world = await openWorld();
  root = await mkdtemp(join(tmpdir(), "rivulet-start-"));
  proxy = await new FaultProxy(world.chain.provider._getConnection().url).start();
  behindProxy = { RIVULET_CHAIN_RPC: proxy.url };
  operator = new Operator(world, await mkdtemp(join(root, "operator")));
  expect((await operator.init()).code).toBe(0);
}, 60_000);
afterAll(async () => {
  await proxy?.stop();
  await world?.stop();
  if (root !== undefined) await rm(root, { recursive: true, force: true });
});
beforeEach(() => {
  isDown = true;
  proxy.rules = [() => (isDown ? { kind: "cut" } : undefined)];
});
afterEach(() => operator.stop("SIGKILL"));

/** Where the API is, as soon as it listens. */
async function listening(): Promise<string> {
  const read = () => readFile(join(operator.dir, "data", "daemon.json"), "utf8").catch(() => undefined);
  await vi.waitUntil(read, { timeout: 30_000 });
  return JSON.parse((await read())!).url;
}

function ended(child: { once(event: "close", heard: (code: number | null) => void): unknown }) {
  return new Promise<number | null>((resolve) => child.once("close", resolve));
}

describe("a daemon that is started while the chain does not answer", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("ends at once and well by %s", async (signal) => {
    const { child, out } = operator.launch(behindProxy);
    await listening();
    const end = ended(child);
    const since = performance.now();
    child.kill(signal);
    expect(await end).toBe(0);
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(out()).toBe("");
    expect(operator.log).toContain("stopped while it started");
    await expect(readFile(join(operator.dir, "data", "daemon.json"))).rejects.toThrow();
  });

  it("says so to status and doctor, is stopped by `rivulet stop`, or runs once the chain is back", async () => {
    const first = operator.launch(behindProxy);
    const url = await listening();
    await vi.waitUntil(async () => (await (await fetch(`${url}/readyz`)).text()).includes("rpc_down"), {
      timeout: 20_000,
    });
    const status = await operator.with(behindProxy, "status");
    expect(status.out).toContain("starting, waits for the chain (rpc_down)");
    expect(status.out).toContain("no block yet");
    const doctor = await operator.with(behindProxy, "doctor");
    expect(doctor.out).toContain("starting, waits for the chain (rpc_down)");
    expect(doctor.code).toBe(5);
    const refused = await operator.with(behindProxy, "channels");
    expect(refused.err).toContain("The node is starting");
    expect(refused.code).toBe(1);
    const end = ended(first.child);
    expect((await operator.with(behindProxy, "stop")).code).toBe(0);
    expect(await end).toBe(0);

    const second = operator.launch(behindProxy);
    await listening();
    isDown = false;
    await vi.waitUntil(() => second.out().includes("\n}"), { timeout: 30_000 });
    expect((await operator.run("status", "--json")).json).toMatchObject({ state: "ready" });
    expect(await operator.stop()).toBe(0);
  }, 90_000);
});

describe("a start with a wrong setting", () => {
  it.each([
    ["a password that does not fit", { RIVULET_PASSWORD: "wrong" }, "the password does not fit"],
    ["an API that would listen in the clear", { RIVULET_API_HOST: "0.0.0.0" }, "remote refused"],
    ["an RPC server that is none", { RIVULET_CHAIN_RPC: "ftp://rpc.example" }, "RIVULET_CHAIN_RPC"],
    ["an address to tell peers that is none", { RIVULET_PEERS_ANNOUNCE: "nonsense" }, "is no multiaddr"],
    [
      "an API's address this machine has not",
      { RIVULET_API_HOST: "::2", RIVULET_API_ALLOW_REMOTE: "true" },
      "cannot listen at ::2",
    ],
  ])("ends as one, so that nothing tries it again: %s", async (_name, env, said) => {
    const ran = await operator.with(env, "start");
    expect(ran.err).toContain(said);
    expect(ran.code).toBe(2);
  });
});

describe("a start that fails", () => {
  it.each([
    [
      "where another program takes peers",
      () => ({ RIVULET_PEERS_LISTEN: `/ip4/127.0.0.1/tcp/${new URL(proxy.url).port}` }),
      /cannot listen for peers.*EADDRINUSE/,
      /peers\.listen/,
    ],
    [
      "on another chain",
      () => ({ RIVULET_CHAIN_NAME: "base" }),
      /is of chain 31337, not 8453/,
      /Nothing was signed/,
    ],
    [
      "without the escrow",
      () => ({ RIVULET_CHAIN_ESCROW: `0x${"e5".repeat(20)}` }),
      /no escrow at 0xe5e5/,
      /Nothing was signed/,
    ],
  ])("%s says what is wrong and what to do, in a line each", async (_name, env, said, action) => {
    const { err, code } = await operator.with(env(), "start", "--log-level", "silent");
    const [error, next, ...rest] = err.slice(err.indexOf("error: ")).trimEnd().split("\n");
    expect(error).toMatch(said);
    expect(next).toMatch(action);
    expect(rest).toEqual([]);
    expect(code).toBe(1);
  });
});

describe("a daemon with a certificate for its peers", () => {
  it("listens for WebSockets over TLS", async () => {
    const [key, certificate] = [join(root, "key.pem"), join(root, "cert.pem")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost"];
    execFileSync("openssl", ["req", "-x509", ...curve, ...files], { stdio: "ignore" });
    const listen = { RIVULET_PEERS_LISTEN: "/ip4/127.0.0.1/tcp/0/tls/ws" };
    const without = await operator.with(listen, "start");
    expect(without.err).toContain("needs a certificate");
    expect(without.code).toBe(2);
    const tls = { RIVULET_PEERS_TLS_CERT: certificate, RIVULET_PEERS_TLS_KEY: key };
    const { out } = operator.launch({ ...listen, ...tls });
    await vi.waitUntil(() => out().includes("\n}"), { timeout: 30_000 });
    const [address] = JSON.parse(out()).addresses;
    const port = Number(/tcp\/([0-9]+)\/tls\/ws\/p2p/.exec(address)![1]);
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    expect(socket.getPeerCertificate().subject.CN).toBe("localhost");
    socket.destroy();
    expect(await operator.stop()).toBe(0);
  }, 60_000);
});

describe("a daemon whose disk fills up", () => {
  it("stops by itself and says so with an exit code of its own, so that it is started again", async () => {
    const { child, out } = operator.launch({}, { blocks: 256 });
    await vi.waitUntil(() => out().includes("\n}"), { timeout: 30_000 });
    const { url } = JSON.parse(out());
    const secret = (await readFile(join(operator.dir, "data", "admin.token"), "utf8")).trim();
    const end = ended(child);
    const body = JSON.stringify({ token: `0x${"00".repeat(20)}`, amount: "1", description: "x".repeat(256) });
    const headers: Record<string, string> = {
      authorization: `Bearer ${secret}`,
      "content-type": "application/json",
    };
    for (let made = 0; made < 2_000 && child.exitCode === null; made++) {
      headers["idempotency-key"] = `${made}`;
      const response = await fetch(`${url}/v1/requests`, { method: "POST", headers, body }).catch(
        () => undefined,
      );
      if (response?.ok !== true) break;
    }
    expect(await end).toBe(6);
    expect(operator.log).toContain("the node stopped by itself: disk_full");
    expect(operator.log).toContain('"moneyAtStake":true');
    await operator.start();
    expect(await operator.stop()).toBe(0);
  }, 60_000);
});

describe("the service", () => {
  it("starts a node again that stopped by itself, and not one whose settings are wrong", async () => {
    const unit = await readFile(new URL("../../docs/deploy/rivulet.service", import.meta.url), "utf8");
    const never = /^RestartPreventExitStatus=(.*)$/m.exec(unit)![1]!.split(" ").map(Number);
    expect(never).toEqual([EXIT.usage, EXIT.moneyAtStake, EXIT.interrupted]);
    expect(unit).toContain("Restart=on-failure");
  });
});

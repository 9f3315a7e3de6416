import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectRaw } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { NodeOptions } from "../../src/node/index.ts";
import { checkPeerOptions } from "../../src/node/peerOptions.ts";
import { ack, soon, startHost, stopHosts, TCP, until } from "./harness.ts";

const TLS_WS = "/ip4/127.0.0.1/tcp/0/tls/ws";
const directory = mkdtempSync(join(tmpdir(), "rivulet-tls-"));
const before = getCACertificates("default");
let tls: { readonly certificate: string; readonly key: string };

beforeAll(() => {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", certificate, ...subject], {
    stdio: "ignore",
  });
  tls = { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  setDefaultCACertificates([...before, tls.certificate]);
});
afterEach(stopHosts);
afterAll(() => {
  setDefaultCACertificates(before);
  rmSync(directory, { recursive: true });
});

describe("a listener for WebSockets over TLS", () => {
  it("takes peers, whose sessions outlive every bound on those who have not yet become one", async () => {
    const upgradeMs = 700;
    const server = await startHost(1, { listen: [TLS_WS], tls, limits: { upgradeMs } });
    const client = await startHost(2, { listen: [TCP] });
    expect(server.address).toMatch(/\/tls\/ws\/p2p\//);
    const session = await client.host.connect(server.address, soon());
    await new Promise((resolve) => setTimeout(resolve, 3 * upgradeMs));
    session.send(ack(1));
    await until("the message", () => server.received.length === 1);
    expect(client.closed).toEqual([]);
    await client.host.stop();
    await until("the end", () => server.closed.length === 1);
    await until("the socket's end", () => server.host.connections() === 0);
  });

  it("lets go of those who connect and say nothing, before, within and after the handshake", async () => {
    const server = await startHost(1, { listen: [TLS_WS], tls, limits: { upgradeMs: 300 } });
    const port = Number(/tcp\/([0-9]+)/.exec(server.address)![1]);
    const begun = connectRaw(port, "127.0.0.1", () => void begun.write(Uint8Array.of(22, 3, 1)));
    const secure = connect({ port, host: "127.0.0.1", ca: tls.certificate });
    let secured = false;
    secure.once("secureConnect", () => {
      secured = true;
    });
    const ends = [connectRaw(port, "127.0.0.1"), begun, secure];
    const closed = ends.map((socket) => {
      socket.on("error", () => {});
      return new Promise<void>((resolve) => socket.once("close", () => resolve()));
    });
    const since = performance.now();
    await Promise.all(closed);
    expect(secured).toBe(true);
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});

describe("a node's options", () => {
  const check = (listen: string[], peerTls?: typeof tls) => () =>
    checkPeerOptions({ listen, ...(peerTls && { peerTls }) } as unknown as NodeOptions);

  it("are refused where an address has no certificate, a certificate no address, or a key does not fit", () => {
    expect(check([TCP])).not.toThrow();
    expect(check([TCP, TLS_WS], tls)).not.toThrow();
    expect(check([TCP, "/ip4/0.0.0.0/tcp/9741/wss"], tls)).not.toThrow();
    expect(check([TLS_WS])).toThrow("needs a certificate");
    expect(check([TCP], tls)).toThrow("no address it listens on ends in /tls/ws");
    expect(check(["nonsense"])).toThrow("is no multiaddr");
    expect(() => checkPeerOptions({ announce: ["/ip4/1.2.3"] } as unknown as NodeOptions)).toThrow(
      "announce",
    );
    expect(check([TLS_WS], { ...tls, key: "none" })).toThrow("peerTls");
  });
});

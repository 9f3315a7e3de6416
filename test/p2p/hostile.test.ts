import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/store/random.ts";
import { MAX_MESSAGE_BYTES, MAX_SMALL_MESSAGE_BYTES } from "../../src/wire/bounds.ts";
import { encodeMessage } from "../../src/wire/encode.ts";
import { encodeFrames, writeVarint } from "../../src/wire/frame.ts";
import {
  ack,
  CHAIN_ID,
  soon,
  startHost,
  stopHosts,
  TCP,
  type TestHost,
  until,
  update,
  WS,
} from "./harness.ts";
import { greet, helloFrom, proofOf, type RawStream, rawNode, rawStream, signerAt, stopRaw } from "./raw.ts";

afterEach(async () => {
  await stopRaw();
  await stopHosts();
});

const BAD = 9;

/** An honest peer goes on paying whatever the other one does. */
async function stillServes(target: TestHost): Promise<void> {
  const honest = await startHost(3);
  const session = await honest.host.connect(target.address, soon());
  session.send(ack(77));
  await until("the honest peer is heard", () =>
    target.received.some((message) => message.kind === "ack" && message.nonce === 77n),
  );
}

function announced(length: number): Uint8Array {
  const bytes = new Uint8Array(5);
  return bytes.subarray(0, writeVarint(bytes, 0, length));
}

describe("a peer that cannot prove who it is gets a code, the end and nothing else", () => {
  it("while one that proves itself by hand gets a session", async () => {
    const a = await startHost(1);
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    await greet(raw, node, BAD);
    await until("a has a session", () => a.opened.length === 1);
    expect(a.opened[0]!.remote).toMatchObject({ signer: signerAt(BAD), peerId: node.peerId.toString() });
  });

  it.each([
    ["another chain", { chainId: CHAIN_ID + 1n }, "chain_mismatch"],
    ["another escrow", { escrow: `0x${"e6".repeat(20)}` }, "escrow_mismatch"],
    ["a version nobody speaks any more", { version: 0 }, "version_unsupported"],
    ["our own signer", { signer: signerAt(1) }, "hello_self"],
    ["no signer", { signer: `0x${"00".repeat(20)}` }, "hello_self"],
    ["a proof before it saw our challenge", { proof: new Uint8Array(65) }, "hello_unexpected"],
  ])("because it names %s", async (_what, change, code) => {
    const a = await startHost(1);
    const raw = await rawStream(await rawNode(BAD), a.address);
    raw.send(helloFrom(BAD, change as object));
    expect(await raw.refusal()).toBe(code);
    await until("its connection is closed", () => raw.connection.status !== "open");
    expect(a.opened).toHaveLength(0);
  });

  it("because a newer one still speaks our version, it may stay", async () => {
    const a = await startHost(1);
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    const first = helloFrom(BAD, { version: 7 });
    raw.send(first);
    const { challenge } = await raw.hello();
    raw.send({ ...first, proof: proofOf(node, BAD, challenge) });
    await until("a has a session", () => a.opened.length === 1);
    expect(a.opened[0]!.remote.version).toBe(1);
  });

  /** Everything but the last step, which `second` makes of the challenge. */
  async function tryProof(
    second: (node: Awaited<ReturnType<typeof rawNode>>, challenge: Uint8Array) => object,
  ) {
    const a = await startHost(1);
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    raw.send(helloFrom(BAD));
    const { challenge } = await raw.hello();
    raw.send({ ...helloFrom(BAD), ...second(node, challenge) });
    const code = await raw.refusal();
    expect(a.opened).toHaveLength(0);
    return code;
  }

  it("because it signs with another key than the signer it names", async () => {
    expect(await tryProof((node, challenge) => ({ proof: proofOf(node, BAD + 1, challenge) }))).toBe(
      "hello_proof_invalid",
    );
  });

  it("because its proof is for another chain, or random, or missing", async () => {
    expect(await tryProof((node, challenge) => ({ proof: proofOf(node, BAD, challenge, 1n) }))).toBe(
      "hello_proof_invalid",
    );
    await stopHosts();
    expect(await tryProof(() => ({ proof: new Uint8Array(65).fill(3) }))).toBe("hello_proof_invalid");
    await stopHosts();
    expect(await tryProof(() => ({}))).toBe("hello_proof_invalid");
  });

  it("because it becomes somebody else between its two Hellos", async () => {
    expect(
      await tryProof((node, challenge) => ({
        signer: signerAt(BAD + 1),
        proof: proofOf(node, BAD + 1, challenge),
      })),
    ).toBe("hello_changed");
  });

  it("because its proof was made for another connection", async () => {
    const a = await startHost(1);
    const node = await rawNode(BAD);
    const first = await rawStream(node, a.address);
    await greet(first, node, BAD);
    const { challenge } = await first.hello();
    const recorded = proofOf(node, BAD, challenge);
    const second = await rawStream(node, a.address);
    second.send(helloFrom(BAD));
    await second.hello();
    second.send({ ...helloFrom(BAD), proof: recorded });
    expect(await second.refusal()).toBe("hello_proof_invalid");
    expect(a.opened).toHaveLength(1);
    expect(a.closed).toHaveLength(0);
  });

  it("because it passes on the proof of an honest peer, as a man in the middle would", async () => {
    const a = await startHost(1);
    const victim = await startHost(2);
    const node = await rawNode(BAD);
    const toA = await rawStream(node, a.address);
    const toVictim = await rawStream(node, victim.address);
    const { challenge } = await toA.hello();
    const honest = await toVictim.hello();
    // The victim is shown a's challenge as ours, and answers it if it is the one to prove first.
    toVictim.send(helloFrom(BAD, { challenge }));
    toA.send({ ...honest, proof: undefined });
    const proven = () => toVictim.received.find((m) => m.kind === "hello" && m.proof !== undefined);
    if (victim.host.peerId > node.peerId.toString())
      await until("the victim proves itself", () => !!proven());
    else {
      toVictim.send({ ...helloFrom(BAD, { challenge }), proof: proofOf(node, BAD, honest.challenge) });
      await until("the victim proves itself", () => !!proven());
    }
    const relayed = proven();
    if (relayed?.kind !== "hello") throw new Error("no proof to pass on");
    toA.send({ ...honest, proof: relayed.proof });
    expect(await toA.refusal()).toBe("hello_proof_invalid");
    expect(a.opened).toHaveLength(0);
  });

  it("because it begins with anything but a Hello", async () => {
    const a = await startHost(1);
    const raw = await rawStream(await rawNode(BAD), a.address);
    raw.send(ack(1));
    expect(await raw.refusal()).toBe("hello_expected");
    expect(a.received).toHaveLength(0);
  });

  it("because it says nothing, or only half of it, in the time there is", async () => {
    const a = await startHost(1, { limits: { handshakeMs: 300 } });
    const node = await rawNode(BAD);
    const silent = await rawStream(node, a.address);
    expect(await silent.refusal()).toBe("handshake_timeout");
    await until("its connection is closed", () => silent.connection.status !== "open");
    const half = await rawStream(node, a.address);
    half.send(helloFrom(BAD));
    expect(await half.refusal()).toBe("handshake_timeout");
    const slow = await rawStream(node, a.address);
    const bytes = encodeFrames([encodeMessage(helloFrom(BAD))]);
    let at = 0;
    const drip = setInterval(() => {
      if (slow.stream.writeStatus === "writable") slow.sendBytes(bytes.slice(at, ++at));
    }, 20);
    expect(await slow.refusal()).toBe("handshake_timeout");
    clearInterval(drip);
    expect(a.opened).toHaveLength(0);
  });

  it("because it sends a large message before it is known", async () => {
    const a = await startHost(1);
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    raw.sendBytes(announced(MAX_SMALL_MESSAGE_BYTES + 1));
    expect(await raw.refusal()).toBe("frame_too_large");
  });
});

describe("a proven peer that misbehaves loses its session, and only that", () => {
  async function proven(change: Parameters<typeof startHost>[1] = {}) {
    const a = await startHost(1, change);
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    await greet(raw, node, BAD);
    await until("a has a session", () => a.opened.length === 1);
    return { a, node, raw };
  }

  it("by garbage", async () => {
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    console.log(`FUZZ_SEED=${seed}`);
    const random = seededRandom(seed);
    const { a, raw } = await proven();
    // Enough to complete whatever frame the first bytes happen to announce: less would be waited for, rightly.
    raw.sendBytes(Uint8Array.from({ length: MAX_MESSAGE_BYTES + 1000 }, () => random() * 256));
    const code = await raw.refusal();
    expect(["message_malformed", "frame_too_large", "frame_empty", "frame_length_malformed"]).toContain(code);
    expect(a.closed[0]!.reason.code).toBe(code);
    await stillServes(a);
  });

  it("by a frame that is too large, which is never waited for", async () => {
    const { a, raw } = await proven();
    raw.sendBytes(announced(MAX_MESSAGE_BYTES + 1));
    expect(await raw.refusal()).toBe("frame_too_large");
    await stillServes(a);
  });

  it("by a malformed message, after what came before it was delivered", async () => {
    const { a, raw } = await proven();
    raw.sendBytes(encodeFrames([encodeMessage(ack(1)), encodeMessage(ack(2)), Uint8Array.of(1, 2, 3)]));
    expect(await raw.refusal()).toBe("message_malformed");
    expect(a.received).toHaveLength(2);
  });

  it("by a second handshake on the same stream", async () => {
    const { a, raw } = await proven();
    raw.send(ack(1), helloFrom(BAD), ack(2));
    expect(await raw.refusal()).toBe("hello_unexpected");
    expect(a.received).toHaveLength(1);
  });

  it("by opening more streams than a pair of peers needs", async () => {
    const { a, node } = await proven();
    const more = await Promise.allSettled(Array.from({ length: 6 }, () => rawStream(node, a.address)));
    const streams = more.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    await until("some are turned away", () => streams.filter(({ ended }) => !ended).length <= 1);
    expect(streams.filter(({ received }) => received.length > 0).length).toBeLessThanOrEqual(1);
    await stillServes(a);
  });

  it("by never reading: it is let go within the bound, with what waited for it", async () => {
    const { a, raw } = await proven({ limits: { stallMs: 300 } });
    raw.stream.pause();
    const [session] = a.opened;
    for (let nonce = 1; nonce < 60; nonce++) session!.send(update(nonce, 100_000));
    await until("it is let go", () => a.closed.length === 1);
    expect(a.closed[0]!.reason.code).toBe("peer_stalled");
    await until("nothing is kept for it", () => session!.queuedBytes === 0);
    await stillServes(a);
  });

  it("by a flood: it waits when told to, and the others are served meanwhile", async () => {
    const { a, raw } = await proven();
    const chunk = encodeFrames(Array.from({ length: 4000 }, (_, i) => encodeMessage(ack(i))));
    let sent = 0;
    const flood = setInterval(() => {
      if (raw.stream.writeStatus === "writable" && raw.sendBytes(chunk)) sent++;
    }, 1);
    await until("it floods", () => sent > 20);
    await stillServes(a);
    a.opened[0]!.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = a.received.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What it sends now stays with it: our window is closed and our memory with it.
    expect(a.received.length).toBe(before);
    await a.opened[0]!.close({ code: "flood" });
    clearInterval(flood);
    expect(a.host.session(signerAt(BAD))).toBeUndefined();
  });
});

describe("connections", () => {
  it("beyond what one host may have are refused, and others still get in after it left", async () => {
    const a = await startHost(1, { limits: { maxConnectionsPerHost: 3 } });
    const nodes = await Promise.all([11, 12, 13, 14].map(rawNode));
    const raws = await Promise.all(nodes.slice(0, 3).map((node) => rawStream(node, a.address)));
    await Promise.all(raws.map((raw) => raw.hello()));
    await expect(rawStream(nodes[3]!, a.address)).rejects.toThrow();
    await raws[0]!.connection.close();
    await until("a place is free", () => a.host.connections() < 3);
    const late = await rawStream(nodes[3]!, a.address);
    await late.hello();
  });

  it.each([
    ["TCP", TCP],
    ["WebSocket", WS],
  ])("over %s that never become one are cut off", async (_name, listen) => {
    const a = await startHost(1, { listen: [listen], limits: { upgradeMs: 300, maxPendingPerHost: 4 } });
    const port = Number(/tcp\/(\d+)/.exec(a.address)![1]);
    const sockets = Array.from({ length: 8 }, () => connect(port, "127.0.0.1"));
    const closed = sockets.map(
      (socket) => new Promise((resolve) => socket.on("close", resolve).on("error", () => 0)),
    );
    // One of them says half a word.
    sockets[0]!.write(listen === WS ? "GET / HT" : Uint8Array.of(19));
    await Promise.all(closed);
    await stillServes(a);
  });

  it("that carry no session are closed", async () => {
    const a = await startHost(1, { limits: { unusedConnectionMs: 200 } });
    const node = await rawNode(BAD);
    const raw = await rawStream(node, a.address);
    await greet(raw, node, BAD);
    const idle = await rawNode(BAD + 1);
    const { multiaddr } = await import("@multiformats/multiaddr");
    const connection = await idle.dial(multiaddr(a.address));
    await until("the idle one is closed", () => connection.status !== "open");
    expect(raw.connection.status).toBe("open");
  });

  it("of strangers leave room for peers we know", async () => {
    const known = signerAt(BAD + 5);
    const a = await startHost(1, { limits: { maxStrangers: 2 }, isKnown: (signer) => signer === known });
    const greeted: RawStream[] = [];
    for (const index of [BAD, BAD + 1, BAD + 5]) {
      const node = await rawNode(index);
      const raw = await rawStream(node, a.address);
      await greet(raw, node, index);
      greeted.push(raw);
    }
    await until("three sessions", () => a.opened.length === 3);
    const node = await rawNode(BAD + 2);
    const raw = await rawStream(node, a.address);
    raw.send(helloFrom(BAD + 2));
    const { challenge } = await raw.hello();
    raw.send({ ...helloFrom(BAD + 2), proof: proofOf(node, BAD + 2, challenge) });
    expect(await raw.refusal()).toBe("peer_limit");
    expect(a.opened).toHaveLength(3);
    expect(greeted.every(({ ended }) => !ended)).toBe(true);
  });
});

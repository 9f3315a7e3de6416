import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsKeccak256 } from "../../src/crypto/keccak.ts";
import { PeerError } from "../../src/p2p/error.ts";
import { Greeting } from "../../src/p2p/greeting.ts";
import type { Identity, RemotePeer } from "../../src/p2p/identity.ts";
import type { Link, LinkReceiver } from "../../src/p2p/link.ts";
import { Meeting, type MeetingOwner } from "../../src/p2p/meeting.ts";
import { LinkSession } from "../../src/p2p/session.ts";
import { addressOfPublicKey } from "../../src/protocol/address.ts";
import { Digests } from "../../src/protocol/digests.ts";
import type { Crypto } from "../../src/protocol/ports.ts";
import type { Message } from "../../src/wire/message.ts";
import { CHAIN_ID, ESCROW, key } from "./harness.ts";

/**
 * Two sides of a meeting over simulated streams, in every order a network allows: each stream keeps its order, the
 * streams among each other do not.
 */

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

/** A signature that carries digest and key: real ones would only be slower. */
const crypto = {
  keccak256: jsKeccak256,
  sha256: jsKeccak256,
  ecdsa: {
    name: "js",
    sign: (digest: Uint8Array, secret: Uint8Array) => Uint8Array.from([...digest, ...secret, 27]),
    recover: (digest: Uint8Array, signature: Uint8Array) =>
      digest.every((byte, i) => byte === signature[i]) ? publicKeyOf(signature.subarray(32, 64)) : undefined,
    publicKey: publicKeyOf,
  },
} as Crypto;

function publicKeyOf(secret: Uint8Array): Uint8Array {
  return Uint8Array.from([...secret, ...secret]);
}

type Event = Message | "end";

/** One end of a simulated stream. */
class FakeEnd {
  readonly inbox: Event[] = [];
  other!: FakeEnd;
  receiver!: LinkReceiver;
  ended: PeerError | undefined;
  readonly stream: number;

  constructor(stream: number) {
    this.stream = stream;
  }

  send(message: Message): boolean {
    if (this.ended === undefined) this.other.inbox.push(message);
    return true;
  }

  widen(receiver: LinkReceiver): void {
    this.receiver = receiver;
  }

  end(reason: PeerError): Promise<void> {
    if (this.ended === undefined) {
      this.ended = reason;
      this.other.inbox.push("end");
      this.receiver.onEnd(reason);
    }
    return Promise.resolve();
  }

  deliver(): void {
    const event = this.inbox.shift();
    if (event === undefined || this.ended !== undefined) return;
    if (event === "end") void this.end(new PeerError("remote_closed"));
    else this.receiver.onMessages([event]);
  }
}

class Side implements MeetingOwner {
  readonly identity: Identity;
  readonly meeting: Meeting;
  readonly ends: FakeEnd[] = [];
  session: LinkSession | undefined;
  sessionStream: number | undefined;
  established = 0;

  constructor(index: number) {
    const signer = addressOfPublicKey(publicKeyOf(key(index)), jsKeccak256);
    this.identity = {
      chainId: CHAIN_ID,
      escrow: ESCROW,
      signer,
      signerKey: key(index),
      participant: signer,
      features: [],
      peerIdBytes: Uint8Array.of(index),
      crypto,
      digests: new Digests(CHAIN_ID, ESCROW, jsKeccak256),
    };
    this.meeting = new Meeting(String(index), this);
  }

  admit(): undefined {
    return undefined;
  }

  establish(greeting: Greeting, remote: RemotePeer): LinkSession {
    const end = greeting.link as unknown as FakeEnd;
    const owner = {
      onMessages: () => undefined,
      onClosed: (session: unknown) => {
        if (this.session === session) {
          this.session = undefined;
          this.sessionStream = undefined;
        }
        this.meeting.onSessionClosed(session as LinkSession);
      },
    };
    const session = new LinkSession(greeting.link, remote, owner);
    end.widen(session);
    this.session = session;
    this.sessionStream = end.stream;
    this.established++;
    return session;
  }

  announce(): void {}
  onEmpty(): void {}

  attach(end: FakeEnd, peer: Side, outbound: boolean): void {
    const greeting = new Greeting({
      link: end as unknown as Link,
      identity: this.identity,
      remote: { peerId: "x", bytes: peer.identity.peerIdBytes },
      outbound,
      provesFirst: this.identity.peerIdBytes[0]! > peer.identity.peerIdBytes[0]!,
      handshakeMs: 2_000_000_000,
      owner: this.meeting,
    });
    end.receiver = greeting;
    this.ends.push(end);
    this.meeting.add(greeting);
    greeting.start();
  }
}

class World {
  readonly sides = [new Side(1), new Side(2)] as const;
  #streams = 0;
  /** Streams that one side opened and the other has not heard of. */
  readonly #arriving: (() => void)[] = [];

  /** As a host does it: only without a session; the other side notices later. */
  open(by: 0 | 1): void {
    const opener = this.sides[by];
    const other = this.sides[1 - by]!;
    if (opener.session !== undefined || this.#streams >= 8) return;
    const near = new FakeEnd(this.#streams);
    const far = new FakeEnd(this.#streams++);
    near.other = far;
    far.other = near;
    opener.attach(near, other, true);
    this.#arriving.push(() => other.attach(far, opener, false));
  }

  /** One thing that can happen next, chosen by `choice`; false when nothing is left. */
  step(choice: number): boolean {
    const deliveries = this.sides.flatMap((side) => side.ends.filter((end) => end.inbox.length > 0));
    const count = deliveries.length + this.#arriving.length;
    if (count === 0) return false;
    const at = choice % count;
    if (at < deliveries.length) deliveries[at]!.deliver();
    else this.#arriving.splice(at - deliveries.length, 1)[0]!();
    return true;
  }

  /** Cuts a stream: both ends hear of it, each in its time. */
  cut(choice: number): void {
    const ends = this.sides[0].ends.filter((end) => end.ended === undefined);
    const end = ends[choice % Math.max(1, ends.length)];
    end?.inbox.push("end");
    end?.other.inbox.push("end");
  }

  settle(choices: readonly number[]): void {
    for (let i = 0; this.step(choices[i % choices.length]! + i); i++) {
      if (i > 10_000) throw new Error("it never settles");
    }
  }

  end(): void {
    for (const side of this.sides) side.meeting.end(new PeerError("host_stopped"));
  }
}

const choices = fc.array(fc.nat({ max: 1000 }), { minLength: 5, maxLength: 60 });

describe("a meeting of two peers", () => {
  it(`settles on one and the same stream when both dial at once, whatever the order (FUZZ_SEED=${seed})`, () => {
    fc.assert(
      fc.property(choices, fc.nat({ max: 6 }), fc.nat({ max: 6 }), (order, before, between) => {
        const world = new World();
        world.open(0);
        for (let i = 0; i < before; i++) world.step(order[i % order.length]!);
        world.open(1);
        for (let i = 0; i < between; i++) world.step(order[(i + before) % order.length]!);
        world.settle(order);
        const [a, b] = world.sides;
        expect(a.sessionStream).toBeDefined();
        expect(b.sessionStream).toBe(a.sessionStream);
        // And neither ever had another one: nothing that was sent went into a stream that was given up.
        expect([a.established, b.established]).toEqual([1, 1]);
        world.end();
      }),
      { seed, numRuns: 3000 },
    );
  });

  it(`agrees after any sequence of dials and cuts, and can always begin again (FUZZ_SEED=${seed})`, () => {
    const action = fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom("open0" as const, "open1" as const) },
      { weight: 1, arbitrary: fc.constant("cut" as const) },
      { weight: 8, arbitrary: fc.constant("step" as const) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), choices, (actions, order) => {
        const world = new World();
        actions.forEach((what, i) => {
          const choice = order[i % order.length]! + i;
          if (what === "open0") world.open(0);
          else if (what === "open1") world.open(1);
          else if (what === "cut") world.cut(choice);
          else world.step(choice);
        });
        world.settle(order);
        const [a, b] = world.sides;
        expect(b.sessionStream).toBe(a.sessionStream);
        world.end();
      }),
      { seed, numRuns: 3000 },
    );
  });
});

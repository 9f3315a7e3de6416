import type { HelloMessage, Message } from "../wire/message.ts";
import { PeerError } from "./error.ts";
import {
  checkHello,
  checkProof,
  helloOf,
  type Identity,
  newChallenge,
  type RemotePeer,
  remoteOf,
} from "./identity.ts";
import type { Link, LinkReceiver } from "./link.ts";

/** What a greeting asks of the meeting it belongs to. */
export interface GreetingOwner {
  /** We prove first: says when it is this greeting's turn, by calling {@link Greeting.prove}, perhaps at once. */
  requestTurn(greeting: Greeting): void;
  /** Why this proven peer gets no session, if so. */
  admit(remote: RemotePeer): PeerError | undefined;
  /** Both have proven who they are. */
  onEstablished(greeting: Greeting, remote: RemotePeer): void;
  onFailed(greeting: Greeting, reason: PeerError): void;
}

/**
 * The handshake on one stream.
 *
 * Both send a Hello with a challenge. Then the side with the higher peer id proves itself, and the other one answers
 * with its own proof: its answer decides that this stream is the session. See README for why that settles which of
 * several streams is used.
 *
 * | state | waits for |
 * |---|---|
 * | hello | the other side's Hello |
 * | turn | our turn to prove ourselves (first prover only) |
 * | proof | the other side's proof |
 * | done | nothing: established or failed |
 */
export class Greeting implements LinkReceiver {
  readonly outbound: boolean;
  readonly #link: Link;
  readonly #identity: Identity;
  readonly #remote: { readonly peerId: string; readonly bytes: Uint8Array };
  readonly #provesFirst: boolean;
  readonly #owner: GreetingOwner;
  readonly #challenge = newChallenge();
  readonly #timer: ReturnType<typeof setTimeout>;
  #state: "hello" | "turn" | "proof" | "done" = "hello";
  #first: HelloMessage | undefined;

  constructor(init: {
    readonly link: Link;
    readonly identity: Identity;
    readonly remote: { readonly peerId: string; readonly bytes: Uint8Array };
    readonly outbound: boolean;
    readonly provesFirst: boolean;
    readonly handshakeMs: number;
    readonly owner: GreetingOwner;
  }) {
    this.#link = init.link;
    this.#identity = init.identity;
    this.#remote = init.remote;
    this.outbound = init.outbound;
    this.#provesFirst = init.provesFirst;
    this.#owner = init.owner;
    this.#timer = setTimeout(() => this.fail(new PeerError("handshake_timeout")), init.handshakeMs);
  }

  get link(): Link {
    return this.#link;
  }

  /** Says Hello. */
  start(): void {
    this.#link.send(helloOf(this.#identity, this.#challenge));
  }

  /** Our turn: proves who we are over their challenge. */
  prove(): void {
    if (this.#state !== "turn") return;
    this.#state = "proof";
    this.#sendProof();
  }

  #sendProof(): void {
    this.#link.send(helloOf(this.#identity, this.#challenge, this.#first!.challenge));
  }

  onMessages(messages: Message[]): void {
    for (const message of messages) {
      if (this.#state === "done") return;
      const failure = this.#take(message);
      if (failure !== undefined) this.fail(failure);
    }
  }

  #take(message: Message): PeerError | undefined {
    if (message.kind === "error") {
      return new PeerError("remote_error", { ...message.fields, code: message.code });
    }
    if (message.kind !== "hello") return new PeerError("hello_expected", { kind: message.kind });
    if (this.#state === "hello") return this.#takeFirst(message);
    return this.#state === "proof" ? this.#takeProof(message) : new PeerError("hello_unexpected");
  }

  #takeFirst(hello: HelloMessage): PeerError | undefined {
    const failure = checkHello(hello, this.#identity);
    if (failure !== undefined) return failure;
    this.#first = hello;
    this.#state = this.#provesFirst ? "turn" : "proof";
    if (this.#provesFirst) this.#owner.requestTurn(this);
    return undefined;
  }

  #takeProof(hello: HelloMessage): PeerError | undefined {
    const first = this.#first!;
    const failure = checkProof(first, hello, this.#remote.bytes, this.#challenge, this.#identity);
    if (failure !== undefined) return failure;
    const remote = remoteOf(first, this.#remote.peerId, this.#identity);
    const refused = this.#owner.admit(remote);
    if (refused !== undefined) return refused;
    this.#state = "done";
    clearTimeout(this.#timer);
    if (!this.#provesFirst) this.#sendProof();
    this.#owner.onEstablished(this, remote);
    return undefined;
  }

  /** Gives up, and tells the other side why unless it said so itself. */
  fail(reason: PeerError): void {
    void this.#link.end(reason, reason.code !== "remote_error");
  }

  onEnd(reason: PeerError): void {
    if (this.#state === "done") return;
    this.#state = "done";
    clearTimeout(this.#timer);
    this.#owner.onFailed(this, reason);
  }
}

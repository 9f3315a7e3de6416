import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import type { Connection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { Multiaddr } from "@multiformats/multiaddr";
import { type Address, addressOfPublicKey } from "../protocol/address.ts";
import { compareBytes } from "../protocol/bytes.ts";
import { Digests } from "../protocol/digests.ts";
import type { Message } from "../wire/message.ts";
import { parseAddress } from "./address.ts";
import { Connections } from "./connections.ts";
import { listenFailure, PeerError, reasonOf } from "./error.ts";
import { Gate } from "./gate.ts";
import { Greeting } from "./greeting.ts";
import type { Identity, RemotePeer } from "./identity.ts";
import { Keeper } from "./keeper.ts";
import { createNetwork, RIVULET_PROTOCOL } from "./libp2p.ts";
import { PEER_LIMITS, type PeerLimits } from "./limits.ts";
import { Link } from "./link.ts";
import { guardRawSockets } from "./listener.ts";
import { Meeting, type MeetingOwner } from "./meeting.ts";
import type { PeerHandlers, PeerHost, PeerHostInit, PeerLog } from "./peerHost.ts";
import { Repeats } from "./repeats.ts";
import { LinkSession, type PeerSession, type SessionOwner } from "./session.ts";
import { SharedTasks } from "./shared.ts";

export type { PeerHandlers, PeerHost, PeerHostInit, PeerLog } from "./peerHost.ts";

const SILENT: PeerLog = { debug() {}, info() {}, warn() {}, error() {} };

/** Makes a host that does nothing until it is started. */
export async function createPeerHost(init: PeerHostInit): Promise<PeerHost> {
  const limits: PeerLimits = { ...PEER_LIMITS, ...init.limits };
  const privateKey = await generateKeyPairFromSeed("Ed25519", init.peerSeed);
  const peerId = peerIdFromPrivateKey(privateKey);
  const { crypto, signerKey, chainId, escrow, participant } = init;
  const identity: Identity = {
    chainId,
    escrow,
    signer: addressOfPublicKey(crypto.ecdsa.publicKey(signerKey), crypto.keccak256),
    signerKey,
    participant,
    features: init.features ?? [],
    peerIdBytes: peerId.toMultihash().bytes,
    crypto,
    digests: new Digests(chainId, escrow, crypto.keccak256),
  };
  const gate = new Gate(limits);
  const network = await createNetwork(
    { privateKey, listen: init.listen, announce: init.announce ?? [], tls: init.tls },
    gate,
    limits,
  );
  return new LibP2pHost(network, identity, limits, init);
}

class LibP2pHost implements PeerHost, MeetingOwner, SessionOwner {
  readonly peerId: string;
  readonly signer: Address;
  readonly #network: Libp2p;
  readonly #identity: Identity;
  readonly #limits: PeerLimits;
  readonly #handlers: PeerHandlers;
  readonly #isKnown: (signer: Address) => boolean;
  readonly #log: PeerLog;
  readonly #comings: Repeats<{ readonly fields: object; readonly message: string }>;
  readonly #connections: Connections;
  readonly #keeper: Keeper;
  readonly #meetings = new Map<string, Meeting>();
  readonly #sessions = new Map<Address, LinkSession>();
  readonly #connecting = new SharedTasks<LinkSession>();
  readonly #stopped = new AbortController();
  #destroyRawSockets: () => void = () => undefined;

  constructor(network: Libp2p, identity: Identity, limits: PeerLimits, init: PeerHostInit) {
    this.peerId = network.peerId.toString();
    this.signer = identity.signer;
    this.#network = network;
    this.#identity = identity;
    this.#limits = limits;
    this.#handlers = init.handlers;
    this.#isKnown = init.isKnown ?? (() => true);
    this.#log = init.log ?? SILENT;
    this.#comings = new Repeats({
      tell: ({ fields, message }) => this.#log.info(fields, message),
      summarize: ({ fields, message }, more) => ({ fields: { ...fields, more }, message }),
    });
    this.#connections = new Connections(limits);
    this.#keeper = new Keeper(
      limits,
      (address, signal) => this.connect(address, { signal }),
      (address, reason, waitMs) =>
        this.#log.debug({ address, reason: reasonOf(reason), waitMs }, "no session, trying again"),
    );
  }

  async start(): Promise<void> {
    const network = this.#network;
    network.addEventListener("connection:open", ({ detail }) => this.#connections.open(detail));
    network.addEventListener("peer:disconnect", ({ detail }) => this.#forget(detail));
    const onStream = (stream: Stream, connection: Connection) => void this.#greet(stream, connection, false);
    await network.handle(RIVULET_PROTOCOL, onStream, {
      maxInboundStreams: this.#limits.maxSessionStreams,
      maxOutboundStreams: this.#limits.maxSessionStreams,
    });
    try {
      await network.start();
    } catch (error) {
      throw listenFailure(error);
    }
    this.#destroyRawSockets = guardRawSockets(network, this.#limits.upgradeMs);
    this.#log.info({ peerId: this.peerId, addresses: this.addresses() }, "peers can connect");
  }

  async stop(): Promise<void> {
    const reason = new PeerError("host_stopped");
    this.#stopped.abort(reason);
    this.#keeper.stop();
    const closing = [...this.#sessions.values()].map((session) => session.end(reason));
    for (const meeting of [...this.#meetings.values()]) meeting.end(reason);
    await Promise.all(closing);
    this.#destroyRawSockets();
    await this.#network.stop();
    this.#comings.flush();
  }

  addresses(): string[] {
    return this.#network.getMultiaddrs().map(String);
  }

  session(signer: Address): PeerSession | undefined {
    return this.#sessions.get(signer);
  }

  sessions(): PeerSession[] {
    return [...this.#sessions.values()];
  }

  connections(): number {
    return this.#connections.size;
  }

  keepConnected(address: string): () => void {
    parseAddress(address);
    return this.#keeper.keep(address);
  }

  async connect(address: string, { signal }: { readonly signal: AbortSignal }): Promise<PeerSession> {
    const { target, peerId } = parseAddress(address);
    for (;;) {
      const session = this.#meetings.get(peerId)?.session;
      if (session !== undefined) return session;
      this.#stopped.signal.throwIfAborted();
      // One attempt at a peer at a time: a handshake more would only take the place of the first one's session.
      const begunBy = this.#connecting.begunBy(peerId) ?? address;
      try {
        return await this.#connecting.run(peerId, address, signal, (shared) =>
          this.#meet(target, peerId, AbortSignal.any([shared, this.#stopped.signal])),
        );
      } catch (error) {
        signal.throwIfAborted();
        // That another address leads nowhere says nothing of this one.
        if (begunBy === address) throw error;
      }
    }
  }

  async #meet(target: Multiaddr, peerId: string, signal: AbortSignal): Promise<LinkSession> {
    const { stream, connection } = await this.#open(target, signal);
    const known = this.#meetings.get(peerId)?.session;
    if (known !== undefined) {
      // The peer was quicker. Another handshake would only take the place of what there is.
      stream.abort(new PeerError("session_duplicate"));
      return known;
    }
    const greeting = this.#greet(stream, connection, true);
    const meeting = this.#meetings.get(peerId);
    if (meeting === undefined) throw greeting.link.ended ?? new PeerError("connection_lost");
    return meeting.sessionBy(greeting, signal);
  }

  /** Dials and opens a stream; a connection left over from before that no longer carries one is replaced, once. */
  async #open(target: Multiaddr, signal: AbortSignal): Promise<{ stream: Stream; connection: Connection }> {
    for (let attempt = 1; ; attempt++) {
      let connection: Connection | undefined;
      try {
        connection = await this.#network.dial(target, { signal });
        const stream = await connection.newStream(RIVULET_PROTOCOL, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(this.#limits.handshakeMs)]),
          maxOutboundStreams: this.#limits.maxSessionStreams,
        });
        return { stream, connection };
      } catch (cause) {
        signal.throwIfAborted();
        if (connection !== undefined) this.#connections.drop(connection);
        if (connection !== undefined && attempt === 1) continue;
        throw new PeerError("dial_failed", { reason: reasonOf(cause) }, { cause });
      }
    }
  }

  #greet(stream: Stream, connection: Connection, outbound: boolean): Greeting {
    const { remotePeer } = connection;
    const peerId = remotePeer.toString();
    const bytes = remotePeer.toMultihash().bytes;
    const meeting = this.#meetingWith(peerId);
    this.#connections.use(connection);
    let greeting: Greeting;
    const receiver = {
      onMessages: (messages: Message[]) => greeting.onMessages(messages),
      onEnd: (reason: PeerError) => greeting.onEnd(reason),
    };
    const link = new Link(stream, this.#limits, receiver, () => this.#connections.release(connection));
    greeting = new Greeting({
      link,
      identity: this.#identity,
      remote: { peerId, bytes },
      outbound,
      provesFirst: compareBytes(this.#identity.peerIdBytes, bytes) > 0,
      handshakeMs: this.#limits.handshakeMs,
      owner: meeting,
    });
    meeting.add(greeting);
    if (this.#stopped.signal.aborted) greeting.fail(new PeerError("host_stopped"));
    else greeting.start();
    return greeting;
  }

  #meetingWith(peerId: string): Meeting {
    let meeting = this.#meetings.get(peerId);
    if (meeting === undefined) {
      meeting = new Meeting(peerId, this);
      this.#meetings.set(peerId, meeting);
    }
    return meeting;
  }

  onEmpty(meeting: Meeting): void {
    if (this.#meetings.get(meeting.peerId) === meeting) this.#meetings.delete(meeting.peerId);
  }

  /** libp2p would remember everybody who was ever here. */
  #forget(peer: PeerId): void {
    this.#network.peerStore.delete(peer).catch((cause: unknown) => {
      this.#log.debug({ peerId: peer.toString(), reason: reasonOf(cause) }, "a peer could not be forgotten");
    });
  }

  admit(remote: RemotePeer): PeerError | undefined {
    if (this.#isKnown(remote.signer) || this.#sessions.has(remote.signer)) return undefined;
    const limit = this.#limits.maxStrangers;
    let strangers = 0;
    for (const signer of this.#sessions.keys()) if (!this.#isKnown(signer)) strangers++;
    return strangers < limit ? undefined : new PeerError("peer_limit", { limit: String(limit) });
  }

  establish(greeting: Greeting, remote: RemotePeer): LinkSession {
    // The same signer under another peer id: its node has a new key, and the old one is gone or should be.
    void this.#sessions.get(remote.signer)?.end(new PeerError("session_replaced"));
    const session = new LinkSession(greeting.link, remote, this);
    this.#sessions.set(remote.signer, session);
    greeting.link.widen(session);
    return session;
  }

  announce(session: LinkSession): void {
    const { peerId, signer } = session.remote;
    this.#say(signer, { peerId, signer }, "session");
    try {
      this.#handlers.onSession(session);
    } catch (cause) {
      this.#log.error({ peerId, signer, cause }, "a session handler failed");
      void session.end(new PeerError("internal_error", {}, { cause }));
    }
  }

  onMessages(session: PeerSession, messages: Message[]): void {
    this.#handlers.onMessages(session, messages);
  }

  onClosed(session: PeerSession, reason: PeerError): void {
    const { peerId, signer } = session.remote;
    if (this.#sessions.get(signer) === session) this.#sessions.delete(signer);
    this.#meetings.get(peerId)?.onSessionClosed(session as LinkSession);
    if (reason.code === "internal_error") {
      this.#log.error({ peerId, signer, cause: reason.cause }, "a message handler failed");
    }
    this.#say(signer, { peerId, signer, code: reason.code, fields: reason.fields }, "session ended");
    this.#handlers.onSessionClosed(session, reason);
  }

  /** Logs comings and goings, which a peer can repeat as often as it likes. */
  #say(signer: Address, fields: object, message: string): void {
    this.#comings.tell(message, signer, { fields, message });
  }
}

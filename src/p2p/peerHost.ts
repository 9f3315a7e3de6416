import type { Address } from "../protocol/address.ts";
import type { Crypto } from "../protocol/ports.ts";
import type { Message } from "../wire/message.ts";
import type { PeerError } from "./error.ts";
import type { PeerLimits } from "./limits.ts";
import type { PeerSession } from "./session.ts";

/** The part of a logger this room uses; pino's fits. */
export interface PeerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Called synchronously and in order. One that throws ends the session it was called for. */
export interface PeerHandlers {
  onSession(session: PeerSession): void;
  /** Everything one read of the stream completed. */
  onMessages(session: PeerSession, messages: Message[]): void;
  onSessionClosed(session: PeerSession, reason: PeerError): void;
}

/** Certificate chain and key, PEM. */
export interface TlsIdentity {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
}

export interface PeerHostInit {
  /** 32 bytes: the seed of the Ed25519 key that becomes the peer id (`NodeKeys.peerSeed`). */
  readonly peerSeed: Uint8Array;
  /** 32 bytes: the key that proves who we are and that peers' channels name. */
  readonly signerKey: Uint8Array;
  readonly participant: Address;
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly crypto: Crypto;
  /** Multiaddrs to listen on: `/ip4/…/tcp/…`, `/ip4/…/tcp/…/ws` and `/ip4/…/tcp/…/tls/ws`. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of those. */
  readonly announce?: readonly string[];
  /** What `/tls/ws` addresses are listened on with. */
  readonly tls?: TlsIdentity | undefined;
  /** Protocol extensions this node speaks. */
  readonly features?: readonly string[];
  readonly limits?: Partial<PeerLimits>;
  readonly handlers: PeerHandlers;
  /** Whether a signer is one we deal with: the others together get only `maxStrangers` sessions. */
  readonly isKnown?: (signer: Address) => boolean;
  readonly log?: PeerLog;
}

export interface PeerHost {
  readonly peerId: string;
  readonly signer: Address;
  /** Listens. Rejects when an address cannot be had. */
  start(): Promise<void>;
  /** Ends every session (`host_stopped`) and closes every socket. */
  stop(): Promise<void>;
  /** Where others reach us, with our peer id. */
  addresses(): string[];
  /**
   * The session with the peer at `address` (a multiaddr that ends in `/p2p/<peer id>`), the one there is or a new
   * one. Rejects with a `PeerError`, or as `signal` says.
   */
  connect(address: string, options: { readonly signal: AbortSignal }): Promise<PeerSession>;
  session(signer: Address): PeerSession | undefined;
  sessions(): PeerSession[];
  /** Open connections, with or without a session. */
  connections(): number;
  /** Connects, and again with backoff whenever the session ends, until the returned function is called. */
  keepConnected(address: string): () => void;
}

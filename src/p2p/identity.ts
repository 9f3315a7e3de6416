import type { Address } from "../protocol/address.ts";
import { addressToBytes, ZERO_ADDRESS } from "../protocol/address.ts";
import type { Digests } from "../protocol/digests.ts";
import { isSignedBy } from "../protocol/ledger/state.ts";
import type { Crypto } from "../protocol/ports.ts";
import { CHALLENGE_BYTES } from "../wire/bounds.ts";
import type { HelloMessage } from "../wire/message.ts";
import { PeerError } from "./error.ts";

/** The peer protocol this build speaks, and the oldest it still understands. */
const PROTOCOL_VERSION = 1;
const OLDEST_VERSION = 1;

/** Who this node is and what it needs to say so. */
export interface Identity {
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly signer: Address;
  readonly signerKey: Uint8Array;
  readonly participant: Address;
  readonly features: readonly string[];
  /** Multihash bytes of this node's peer id. */
  readonly peerIdBytes: Uint8Array;
  readonly crypto: Crypto;
  readonly digests: Digests;
}

/** The other side, once it has proven that its peer id speaks for its signer. */
export interface RemotePeer {
  readonly peerId: string;
  /** Proven. */
  readonly signer: Address;
  /** Claimed only: the chain says who owns what. */
  readonly participant: Address;
  /** The extensions both sides named. */
  readonly features: readonly string[];
  readonly version: number;
}

export function newChallenge(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(CHALLENGE_BYTES));
}

/** Our Hello: without `theirs` the first one, with their challenge the proof. */
export function helloOf(identity: Identity, challenge: Uint8Array, theirs?: Uint8Array): HelloMessage {
  const { chainId, escrow, signer, participant, features, digests, peerIdBytes } = identity;
  const proof =
    theirs === undefined
      ? undefined
      : identity.crypto.ecdsa.sign(digests.hello(peerIdBytes, theirs), identity.signerKey);
  return {
    kind: "hello",
    version: PROTOCOL_VERSION,
    features,
    chainId,
    escrow,
    signer,
    participant,
    challenge,
    proof,
  };
}

/** Undefined when we can speak with whoever says this, else why not. Proves nothing yet. */
export function checkHello(hello: HelloMessage, identity: Identity): PeerError | undefined {
  if (hello.version < OLDEST_VERSION) {
    const versions = { theirs: String(hello.version), oldest: String(OLDEST_VERSION) };
    return new PeerError("version_unsupported", versions);
  }
  if (hello.chainId !== identity.chainId) {
    return new PeerError("chain_mismatch", { chainId: String(identity.chainId) });
  }
  if (hello.escrow !== identity.escrow) return new PeerError("escrow_mismatch", { escrow: identity.escrow });
  if (hello.signer === identity.signer || hello.signer === ZERO_ADDRESS) return new PeerError("hello_self");
  return hello.proof === undefined ? undefined : new PeerError("hello_unexpected");
}

/**
 * Whether `second` proves what `first` said: the signer's signature over the peer id that Noise authenticated and
 * over our own challenge. A signature made for another connection has another challenge, one made for another peer
 * another id, one made for another chain or escrow another domain.
 */
export function checkProof(
  first: HelloMessage,
  second: HelloMessage,
  peerIdBytes: Uint8Array,
  challenge: Uint8Array,
  { digests, crypto }: Identity,
): PeerError | undefined {
  const same =
    first.version === second.version &&
    first.chainId === second.chainId &&
    first.escrow === second.escrow &&
    first.signer === second.signer &&
    first.participant === second.participant;
  if (!same) return new PeerError("hello_changed");
  const { proof } = second;
  const digest = digests.hello(peerIdBytes, challenge);
  const proven = proof !== undefined && isSignedBy(addressToBytes(first.signer), digest, proof, crypto);
  return proven ? undefined : new PeerError("hello_proof_invalid", { signer: first.signer });
}

export function remoteOf(hello: HelloMessage, peerId: string, identity: Identity): RemotePeer {
  const ours = new Set(identity.features);
  return {
    peerId,
    signer: hello.signer,
    participant: hello.participant,
    features: hello.features.filter((feature) => ours.has(feature)),
    version: Math.min(hello.version, PROTOCOL_VERSION),
  };
}

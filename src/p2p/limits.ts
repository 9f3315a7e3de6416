/** Every bound of this room. LIMITS.md says what each is for and what a peer can make of it. */
export interface PeerLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerHost: number;
  readonly maxPendingConnections: number;
  readonly maxPendingPerHost: number;
  readonly inboundPerSecondPerHost: number;
  readonly maxLingeringSockets: number;
  readonly maxStrangers: number;
  readonly maxStreamsPerConnection: number;
  readonly maxSessionStreams: number;
  readonly upgradeMs: number;
  readonly dialMs: number;
  readonly handshakeMs: number;
  readonly unusedConnectionMs: number;
  readonly maxStreamWindowBytes: number;
  readonly maxReadBufferBytes: number;
  readonly sendMarkBytes: number;
  readonly sendLowBytes: number;
  readonly maxQueuedBytes: number;
  readonly flushBytes: number;
  readonly stallMs: number;
  readonly pingMs: number;
  readonly pingTimeoutMs: number;
  readonly closeMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly cutBackoffMaxMs: number;
  readonly stableMs: number;
  readonly maxKeptPeers: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const PEER_LIMITS: PeerLimits = {
  maxConnections: 2048,
  maxConnectionsPerHost: 256,
  maxPendingConnections: 128,
  maxPendingPerHost: 32,
  inboundPerSecondPerHost: 64,
  maxLingeringSockets: 8,
  maxStrangers: 512,
  maxStreamsPerConnection: 32,
  maxSessionStreams: 2,
  upgradeMs: 10_000,
  dialMs: 10_000,
  handshakeMs: 10_000,
  unusedConnectionMs: 15_000,
  maxStreamWindowBytes: 1 * MIB,
  maxReadBufferBytes: 2 * MIB,
  sendMarkBytes: 1 * MIB,
  sendLowBytes: 256 * KIB,
  maxQueuedBytes: 16 * MIB,
  flushBytes: 256 * KIB,
  stallMs: 30_000,
  pingMs: 10_000,
  pingTimeoutMs: 10_000,
  closeMs: 1_000,
  backoffBaseMs: 250,
  backoffMaxMs: 30_000,
  cutBackoffMaxMs: 3_000,
  stableMs: 10_000,
  maxKeptPeers: 1024,
};

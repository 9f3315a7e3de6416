import { identify } from "@libp2p/identify";
import type { Libp2p, PrivateKey } from "@libp2p/interface";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import type { Gate } from "./gate.ts";
import { leanNoise } from "./leanNoise.ts";
import type { PeerLimits } from "./limits.ts";
import type { TlsIdentity } from "./peerHost.ts";

/** The peer protocol (`wire/rivulet.proto`); the number changes when old peers could not even refuse each other. */
export const RIVULET_PROTOCOL = "/rivulet/1.0.0";

/** libp2p as this node runs it: TCP and WebSocket, Noise, Yamux, identify, ping, every bound named. Not yet started. */
export function createNetwork(
  init: {
    readonly privateKey: PrivateKey;
    readonly listen: readonly string[];
    readonly announce: readonly string[];
    readonly tls: TlsIdentity | undefined;
  },
  gate: Gate,
  limits: PeerLimits,
): Promise<Libp2p> {
  return createLibp2p({
    start: false,
    privateKey: init.privateKey,
    addresses: { listen: [...init.listen], announce: [...init.announce] },
    transports: [
      tcp(),
      webSockets({
        maxBufferedAmount: limits.sendMarkBytes,
        http: webSocketHttp(limits),
        https: {
          ...webSocketHttp(limits),
          handshakeTimeout: limits.upgradeMs,
          ...(init.tls && { cert: init.tls.certificate, key: init.tls.key }),
        },
      }),
    ],
    connectionEncrypters: [leanNoise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.maxStreamsPerConnection,
        maxOutboundStreams: limits.maxStreamsPerConnection,
        streamOptions: {
          maxStreamWindowSize: limits.maxStreamWindowBytes,
          maxReadBufferLength: limits.maxReadBufferBytes,
        },
      }),
    ],
    connectionGater: gate.gater(),
    connectionManager: {
      maxConnections: limits.maxConnections,
      maxIncomingPendingConnections: limits.maxPendingConnections,
      inboundConnectionThreshold: limits.inboundPerSecondPerHost,
      inboundUpgradeTimeout: limits.upgradeMs,
      dialTimeout: limits.dialMs,
      addressDialTimeout: limits.dialMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeMs,
      outboundStreamProtocolNegotiationTimeout: limits.handshakeMs,
      connectionCloseTimeout: limits.closeMs,
      // Reconnecting is the keeper's work.
      reconnectRetries: 0,
    },
    connectionMonitor: {
      pingInterval: limits.pingMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs, maxTimeout: limits.pingTimeoutMs },
    },
    services: { identify: identify(), ping: ping() },
  });
}

/** Bounds on what a WebSocket caller may take before it has become one. */
function webSocketHttp(limits: PeerLimits) {
  return {
    headersTimeout: limits.upgradeMs,
    requestTimeout: limits.upgradeMs,
    connectionsCheckingInterval: limits.upgradeMs,
    maxHeaderSize: 8 * 1024,
  };
}

import type { Server as SecureServer } from "node:https";
import type { Server, Socket } from "node:net";
import type { Libp2p } from "@libp2p/interface";

/**
 * Destroys sockets that connect to a WebSocket port and send nothing. The transport waits for a first byte without a
 * bound, so every such socket would keep a file descriptor for as long as its owner likes. Once a socket has become a
 * WebSocket, its server takes the timeout away and the other bounds hold.
 *
 * Returns how to destroy all that are left when the host stops: its servers would wait for them.
 */
export function guardRawSockets(network: Libp2p, timeoutMs: number): () => void {
  const sockets = new Set<Socket>();
  const bound = (socket: Socket) => socket.setTimeout(timeoutMs, () => socket.destroy());
  for (const { server, https } of listenersOf(network)) {
    server.prependListener("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      bound(socket);
    });
    // Under TLS the socket itself never sees a byte again, and its timeout would end a living session. The handshake
    // has a bound of its own, and what comes out of it gets the timeout anew.
    https?.prependListener("connection", (socket: Socket) => socket.setTimeout(0));
    https?.prependListener("secureConnection", bound);
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

interface WebSocketListener {
  readonly server: Server;
  /** Of `/tls/ws` addresses. */
  readonly https?: SecureServer;
}

/** libp2p does not hand out its listeners; they are found by shape, and a test notices if that ends. */
function listenersOf(network: Libp2p): WebSocketListener[] {
  const { components } = network as unknown as {
    components?: { transportManager?: { getListeners?: () => readonly object[] } };
  };
  const listeners = components?.transportManager?.getListeners?.() ?? [];
  return listeners.filter(
    (listener): listener is WebSocketListener => "wsServer" in listener && "server" in listener,
  );
}

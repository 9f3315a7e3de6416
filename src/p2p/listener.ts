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
  for (const server of serversOf(network)) {
    server.prependListener("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.setTimeout(timeoutMs, () => socket.destroy());
    });
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** libp2p does not hand out its listeners; their servers are found by shape, and a test notices if that ends. */
function serversOf(network: Libp2p): Server[] {
  const { components } = network as unknown as {
    components?: { transportManager?: { getListeners?: () => readonly object[] } };
  };
  const listeners = components?.transportManager?.getListeners?.() ?? [];
  return listeners
    .filter((listener) => "wsServer" in listener && "server" in listener)
    .map((listener) => (listener as unknown as { server: Server }).server);
}

import type { MultiaddrConnection } from "@libp2p/interface";

/** What the WebSockets of `ws` (inbound) and of the platform (outbound) have in common, and what only the first has. */
interface Closable {
  readonly readyState: number;
  close(): void;
  terminate?(): void;
  addEventListener(type: "close", listener: () => void, options: { once: true }): void;
}

const CLOSED = 3;

/**
 * Lets go of a WebSocket `delayMs` after its connection has ended.
 *
 * The transport aborts with close code 1006, which both implementations refuse with an exception, so the socket stays
 * open for as long as the other side likes (`@libp2p/websockets` 10.1.21): a peer that freezes, or a flooder that was
 * thrown out, would keep a descriptor of ours for nothing. A test notices when that is no longer needed.
 *
 * The platform's WebSocket can only ask the other side to close. While that one does not answer, `onLinger` has said
 * true, and says false when the socket is gone.
 */
export function endWebSocketAfter(
  connection: MultiaddrConnection,
  delayMs: number,
  onLinger: (lingers: boolean) => void,
): void {
  const { websocket } = connection as unknown as { websocket?: Closable };
  if (websocket === undefined) return;
  const end = () => {
    if (websocket.readyState === CLOSED) return;
    if (websocket.terminate !== undefined) return websocket.terminate();
    onLinger(true);
    websocket.addEventListener("close", () => onLinger(false), { once: true });
    websocket.close();
  };
  connection.addEventListener("close", () => {
    // Time for an orderly end: the last words may still be on their way.
    setTimeout(end, delayMs).unref?.();
  });
}

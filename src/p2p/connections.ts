import type { Connection } from "@libp2p/interface";
import { PeerError } from "./error.ts";
import type { PeerLimits } from "./limits.ts";

interface Use {
  streams: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Closes connections that carry no handshake and no session: whoever connects and says nothing, or has failed, keeps
 * no place.
 */
export class Connections {
  readonly #limits: PeerLimits;
  readonly #uses = new Map<Connection, Use>();

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** A connection was opened, by either side. */
  open(connection: Connection): void {
    if (this.#uses.has(connection) || connection.status !== "open") return;
    const timer = setTimeout(() => void this.close(connection), this.#limits.unusedConnectionMs);
    this.#uses.set(connection, { streams: 0, timer });
    connection.addEventListener("close", () => this.#forget(connection));
  }

  #forget(connection: Connection): void {
    clearTimeout(this.#uses.get(connection)?.timer);
    this.#uses.delete(connection);
  }

  /** A stream of ours began on the connection. */
  use(connection: Connection): void {
    this.open(connection);
    const use = this.#uses.get(connection);
    if (use === undefined) return;
    use.streams++;
    clearTimeout(use.timer);
    use.timer = undefined;
  }

  /** It is gone, and so is the connection, unless another of our streams uses it. */
  release(connection: Connection): void {
    const use = this.#uses.get(connection);
    if (use === undefined) return;
    use.streams--;
    if (use.streams === 0) void this.close(connection);
  }

  /** Ends a connection that does not work, unless one of our streams still uses it. */
  drop(connection: Connection): void {
    if ((this.#uses.get(connection)?.streams ?? 0) === 0) connection.abort(new PeerError("connection_lost"));
  }

  /** Closes in order within the bound, else by force. */
  async close(connection: Connection): Promise<void> {
    try {
      await connection.close({ signal: AbortSignal.timeout(this.#limits.closeMs) });
    } catch (cause) {
      connection.abort(cause instanceof Error ? cause : new PeerError("session_closed"));
    }
  }
}

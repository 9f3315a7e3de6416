import type { Server, Socket } from "node:net";

/** Of all connections, what one caller may hold: the rest is for others, and for whoever has not said yet who it is. */
const SHARE = 3 / 4;

/**
 * Who holds the connections. They are bounded, and cost nothing to open: when all are taken, the one that has been
 * open longest without a known caller gives way. Silence, however much of it, keeps nobody out.
 */
export class Connections {
  readonly #most: number;
  /** Connections by the other end, oldest first, on which no known caller has called. */
  readonly #strangers = new Map<string, Socket>();
  readonly #callerOf = new WeakMap<Socket, string>();
  readonly #held = new Map<string, number>();
  readonly #open = new Set<Socket>();

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on("connection", (socket: Socket) => this.#enter(socket));
  }

  /** Notes who called. False when `caller` holds its share already: the connection is to end with this answer. */
  admit(socket: Socket, caller: string): boolean {
    if (this.#callerOf.has(socket)) return true;
    const held = this.#held.get(caller) ?? 0;
    if (held >= this.#most * SHARE) return false;
    this.#strangers.delete(endOf(socket));
    this.#callerOf.set(socket, caller);
    this.#held.set(caller, held + 1);
    socket.once("close", () => {
      const left = this.#held.get(caller)! - 1;
      if (left === 0) this.#held.delete(caller);
      else this.#held.set(caller, left);
    });
    return true;
  }

  #enter(socket: Socket): void {
    const end = endOf(socket);
    this.#strangers.set(end, socket);
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#strangers.get(end) === socket) this.#strangers.delete(end);
    });
    if (this.#open.size <= this.#most) return;
    // The newcomer itself, where all others are known.
    const [[oldest, stranger]] = this.#strangers as unknown as [[string, Socket]];
    this.#strangers.delete(oldest);
    this.#open.delete(stranger);
    stranger.destroy();
  }
}

/** The same for a connection and for the TLS that runs over it. */
function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

import type { Server, Socket } from "node:net";
import type { Caller } from "./caller.ts";
import { PerCaller } from "./perCaller.ts";

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
  readonly #admitted = new WeakSet<Socket>();
  readonly #held: PerCaller;
  readonly #open = new Set<Socket>();

  constructor(server: Server, most: number) {
    this.#most = most;
    this.#held = new PerCaller(most * SHARE);
    server.on("connection", (socket: Socket) => this.#enter(socket));
  }

  /** Notes who called. False when `caller` holds its share already: the connection is to end with this answer. */
  admit(socket: Socket, caller: Caller): boolean {
    if (this.#admitted.has(socket)) return true;
    const release = this.#held.take(caller);
    if (release === undefined) return false;
    this.#strangers.delete(endOf(socket));
    this.#admitted.add(socket);
    socket.once("close", release);
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

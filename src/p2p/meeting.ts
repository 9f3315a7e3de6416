import { PeerError } from "./error.ts";
import type { Greeting, GreetingOwner } from "./greeting.ts";
import type { RemotePeer } from "./identity.ts";
import type { LinkSession } from "./session.ts";

/** Somebody waiting for a session with this peer. */
interface Waiter {
  readonly greeting: Greeting;
  readonly settle: (result: LinkSession | PeerError) => void;
  failure: PeerError | undefined;
}

export interface MeetingOwner {
  admit(remote: RemotePeer): PeerError | undefined;
  /** Makes the session of an established greeting. */
  establish(greeting: Greeting, remote: RemotePeer): LinkSession;
  /** Tells the application of the session. */
  announce(session: LinkSession): void;
  /** Nobody is left in this meeting. */
  onEmpty(meeting: Meeting): void;
}

/**
 * Everything between this node and one peer id: at most one session, and the handshakes on the way to one.
 *
 * The first prover has at most one proof out at a time, and the other side (the decider) answers a proof only by
 * making that stream the session. So the decider, when a proof arrives, knows that the prover holds no other stream
 * for better, and may drop what it took for the session before: it is a stream the prover has lost.
 */
export class Meeting implements GreetingOwner {
  readonly peerId: string;
  readonly #owner: MeetingOwner;
  readonly #greetings = new Set<Greeting>();
  #turns: Greeting[] = [];
  #proving: Greeting | undefined;
  #session: LinkSession | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(peerId: string, owner: MeetingOwner) {
    this.peerId = peerId;
    this.#owner = owner;
  }

  get session(): LinkSession | undefined {
    return this.#session;
  }

  add(greeting: Greeting): void {
    this.#greetings.add(greeting);
  }

  /**
   * Resolves with the session that comes of `greeting` or of any other handshake with this peer; rejects with what
   * ended `greeting` when no other is left, or as `signal` says.
   */
  sessionBy(greeting: Greeting, signal: AbortSignal): Promise<LinkSession> {
    if (this.#session !== undefined) return Promise.resolve(this.#session);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        greeting.fail(new PeerError("session_closed"));
        reject(signal.reason);
      };
      const settle = (result: LinkSession | PeerError) => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
        if (result instanceof PeerError) reject(result);
        else resolve(result);
      };
      const waiter: Waiter = { greeting, settle, failure: greeting.link.ended };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      else this.#settleFailed();
    });
  }

  requestTurn(greeting: Greeting): void {
    if (this.#proving === undefined) {
      this.#proving = greeting;
      greeting.prove();
    } else this.#turns.push(greeting);
  }

  admit(remote: RemotePeer): PeerError | undefined {
    return this.#owner.admit(remote);
  }

  onEstablished(greeting: Greeting, remote: RemotePeer): void {
    void this.#session?.end(new PeerError("session_replaced"));
    const session = this.#owner.establish(greeting, remote);
    this.#session = session;
    this.#greetings.delete(greeting);
    for (const waiter of this.#waiters) waiter.settle(session);
    // Our own other attempts are not needed any more, and must not get a turn: a proof of ours on one of them would
    // tell the decider that we lost this session. The other side does the same with its own.
    for (const other of [...this.#greetings]) {
      if (other.outbound) other.fail(new PeerError("session_duplicate"));
    }
    this.#owner.announce(session);
    this.#remove(greeting);
  }

  onFailed(greeting: Greeting, reason: PeerError): void {
    for (const waiter of this.#waiters) if (waiter.greeting === greeting) waiter.failure = reason;
    this.#remove(greeting);
    this.#settleFailed();
    this.#checkEmpty();
  }

  onSessionClosed(session: LinkSession): void {
    if (this.#session === session) this.#session = undefined;
    this.#checkEmpty();
  }

  /** Ends everything with this peer. */
  end(reason: PeerError): void {
    for (const greeting of [...this.#greetings]) greeting.fail(reason);
    void this.#session?.end(reason);
  }

  #remove(greeting: Greeting): void {
    this.#greetings.delete(greeting);
    this.#turns = this.#turns.filter((other) => other !== greeting);
    if (this.#proving !== greeting) return;
    this.#proving = undefined;
    const next = this.#turns.shift();
    if (next !== undefined) this.requestTurn(next);
  }

  #settleFailed(): void {
    if (this.#greetings.size > 0) return;
    for (const waiter of this.#waiters) if (waiter.failure !== undefined) waiter.settle(waiter.failure);
  }

  #checkEmpty(): void {
    const empty = this.#greetings.size === 0 && this.#session === undefined && this.#waiters.size === 0;
    if (empty) this.#owner.onEmpty(this);
  }
}

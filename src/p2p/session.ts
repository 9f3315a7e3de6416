import type { Message } from "../wire/message.ts";
import { toFields } from "../wire/message.ts";
import { PeerError } from "./error.ts";
import type { RemotePeer } from "./identity.ts";
import type { Link, LinkReceiver } from "./link.ts";

/** What a session is told to the other side about its end: a code and what explains it. */
export interface CloseReason {
  readonly code: string;
  readonly fields?: Readonly<Record<string, string | number | bigint>>;
}

/** A stream with a peer that has proven who it is. */
export interface PeerSession {
  readonly remote: RemotePeer;
  /**
   * Sends in order, with everything else of this turn of the event loop. Never blocks. False once more than the mark
   * is waiting (go on after {@link drained}) or the session has ended. Throws `RangeError` for a message that cannot
   * be encoded.
   */
  send(message: Message): boolean;
  /** Resolves when little enough is waiting; rejects with a `PeerError` when the session ends, or as `signal` says. */
  drained(signal?: AbortSignal): Promise<void>;
  /** Bytes of messages that the peer has not taken yet. */
  readonly queuedBytes: number;
  /** Takes no more from the peer until {@link resume}. One batch that is already here may still come. */
  pause(): void;
  resume(): void;
  /** Ends the session, with `Error` to the other side when there is a reason. Resolves when the stream is gone. */
  close(reason?: CloseReason): Promise<void>;
  /** Aborted with the `PeerError` that ended the session. */
  readonly closed: AbortSignal;
}

export interface SessionOwner {
  onMessages(session: PeerSession, messages: Message[]): void;
  onClosed(session: PeerSession, reason: PeerError): void;
}

export class LinkSession implements PeerSession, LinkReceiver {
  readonly remote: RemotePeer;
  readonly #link: Link;
  readonly #owner: SessionOwner;
  readonly #closed = new AbortController();

  constructor(link: Link, remote: RemotePeer, owner: SessionOwner) {
    this.remote = remote;
    this.#link = link;
    this.#owner = owner;
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get queuedBytes(): number {
    return this.#link.queuedBytes;
  }

  send(message: Message): boolean {
    return this.#link.send(message);
  }

  drained(signal?: AbortSignal): Promise<void> {
    return this.#link.drained(signal);
  }

  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  close(reason?: CloseReason): Promise<void> {
    if (reason === undefined) return this.#link.end(new PeerError("session_closed"));
    return this.end(new PeerError(reason.code, toFields(reason.fields ?? {})));
  }

  /** Ends the session for a coded reason that the other side is told. */
  end(reason: PeerError): Promise<void> {
    return this.#link.end(reason, true);
  }

  onMessages(messages: Message[]): void {
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      if (message.kind === "error" || message.kind === "hello") {
        if (i > 0) this.#owner.onMessages(this, messages.slice(0, i));
        this.#endBy(message);
        return;
      }
    }
    this.#owner.onMessages(this, messages);
  }

  /** The other side's last word, or a second handshake, which no honest peer begins. */
  #endBy(message: Extract<Message, { kind: "error" | "hello" }>): void {
    if (message.kind === "hello") {
      void this.end(new PeerError("hello_unexpected"));
      return;
    }
    const fields: Record<string, string> = { ...message.fields, code: message.code };
    if (message.channelId !== undefined) fields.channelId = message.channelId;
    void this.#link.end(new PeerError("remote_error", fields));
  }

  onEnd(reason: PeerError): void {
    this.#closed.abort(reason);
    this.#owner.onClosed(this, reason);
  }
}

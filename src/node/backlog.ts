import type { PeerSession } from "../p2p/session.ts";
import { MAX_INBOX_BYTES } from "./options.ts";

/**
 * What each session has brought and nobody has dealt with yet. A session that brings more than its share is paused
 * until half of it is done, so that a flood waits in its sender's memory and not in ours.
 */
export class Backlog {
  /** Weak: what is handed over after its session ended must not keep the session. */
  readonly #waiting = new WeakMap<PeerSession, { bytes: number; paused: boolean }>();

  add(session: PeerSession, bytes: number): void {
    let waiting = this.#waiting.get(session);
    if (waiting === undefined) {
      waiting = { bytes: 0, paused: false };
      this.#waiting.set(session, waiting);
    }
    waiting.bytes += bytes;
    if (waiting.bytes <= MAX_INBOX_BYTES || waiting.paused) return;
    waiting.paused = true;
    session.pause();
  }

  remove(session: PeerSession, bytes: number): void {
    const waiting = this.#waiting.get(session);
    if (waiting === undefined) return;
    waiting.bytes -= bytes;
    if (!waiting.paused || waiting.bytes > MAX_INBOX_BYTES / 2) return;
    waiting.paused = false;
    session.resume();
  }

  end(session: PeerSession): void {
    this.#waiting.delete(session);
  }
}

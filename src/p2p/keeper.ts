import { Backoff, pauseFor } from "./backoff.ts";
import { type PeerCode, PeerError } from "./error.ts";
import type { PeerLimits } from "./limits.ts";
import type { PeerSession } from "./session.ts";

/** Ends that say nothing against another dial: it came through, and what carried it broke. */
const CUTS: ReadonlySet<string> = new Set<PeerCode>(["connection_lost", "remote_closed", "peer_stalled"]);

/** Keeps sessions with named peers: connects, and connects again whenever a session ends. */
export class Keeper {
  readonly #limits: PeerLimits;
  readonly #connect: (address: string, signal: AbortSignal) => Promise<PeerSession>;
  readonly #onFailure: (address: string, reason: unknown, waitMs: number) => void;
  readonly #kept = new Map<string, AbortController>();

  constructor(
    limits: PeerLimits,
    connect: (address: string, signal: AbortSignal) => Promise<PeerSession>,
    onFailure: (address: string, reason: unknown, waitMs: number) => void,
  ) {
    this.#limits = limits;
    this.#connect = connect;
    this.#onFailure = onFailure;
  }

  /** Starts keeping `address`, once; returns how to stop. Throws `PeerError` beyond the bound on kept peers. */
  keep(address: string): () => void {
    const known = this.#kept.get(address);
    if (known !== undefined) return () => this.#drop(address, known);
    if (this.#kept.size >= this.#limits.maxKeptPeers) {
      throw new PeerError("peer_limit", { limit: String(this.#limits.maxKeptPeers) });
    }
    const control = new AbortController();
    this.#kept.set(address, control);
    void this.#run(address, control.signal);
    return () => this.#drop(address, control);
  }

  #drop(address: string, control: AbortController): void {
    control.abort(new PeerError("session_closed"));
    if (this.#kept.get(address) === control) this.#kept.delete(address);
  }

  stop(): void {
    for (const [address, control] of [...this.#kept]) this.#drop(address, control);
  }

  async #run(address: string, signal: AbortSignal): Promise<void> {
    const { stableMs, cutBackoffMaxMs, ...limits } = this.#limits;
    const backoff = new Backoff(limits);
    const cuts = new Backoff({ ...limits, backoffMaxMs: Math.min(cutBackoffMaxMs, limits.backoffMaxMs) });
    while (!signal.aborted) {
      let reason: unknown;
      let isCut = false;
      try {
        const session = await this.#connect(address, signal);
        const since = performance.now();
        reason = await endOf(session, signal);
        isCut = reason instanceof PeerError && CUTS.has(reason.code);
        const isStable = performance.now() - since >= stableMs;
        // A peer that takes us and throws us out again must not be asked at full speed.
        if (isStable) cuts.reset();
        if (isStable || isCut) backoff.reset();
      } catch (cause) {
        reason = cause;
      }
      if (signal.aborted) return;
      const wait = (isCut ? cuts : backoff).next();
      this.#onFailure(address, reason, wait);
      await pauseFor(wait, signal);
    }
  }
}

/** Resolves with the reason when the session ends, or when `signal` is aborted. */
function endOf(session: PeerSession, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    const finish = () => {
      session.closed.removeEventListener("abort", finish);
      signal.removeEventListener("abort", finish);
      resolve(session.closed.reason);
    };
    if (session.closed.aborted || signal.aborted) return finish();
    session.closed.addEventListener("abort", finish, { once: true });
    signal.addEventListener("abort", finish, { once: true });
  });
}

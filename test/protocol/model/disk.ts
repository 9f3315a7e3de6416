import type { ChannelState, Update } from "../../../src/protocol/index.ts";

/** Everything a node keeps of one channel; replaced whole, as one atomic batch would. */
export interface Kept {
  readonly state: ChannelState;
  /** Update n is at n − 1. */
  readonly sent: readonly Update[];
  readonly received: readonly Update[];
}

/** A disk that holds what is written until the power fails, and what is synced for ever. */
export class Disk {
  /** Every version since the last sync, the synced one first: what a power cut may leave. */
  #versions: Kept[];

  constructor(kept: Kept) {
    this.#versions = [kept];
  }

  /** The newest version written. */
  get newest(): Kept {
    return this.#versions.at(-1)!;
  }

  /** What would survive a power cut now. */
  get durable(): Kept {
    return this.#versions[0]!;
  }

  write(kept: Kept): void {
    this.#versions.push(kept);
  }

  sync(): void {
    this.#versions = [this.newest];
  }

  /** The power fails: of what was written since the last sync, only the first `kept` writes are left. Returns the rest. */
  losePower(kept: number): number {
    const written = this.#versions.length - 1;
    const left = Math.min(kept, written);
    this.#versions = [this.#versions[left]!];
    return written - left;
  }
}

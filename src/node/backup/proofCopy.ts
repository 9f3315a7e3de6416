import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ChannelId, type ChannelState, channelIdFromBytes } from "../../protocol/index.ts";
import { decodeChannelState } from "../../store/channelRecord.ts";
import { channelIdOfKey, channelRange } from "../../store/keys.ts";
import { syncPath } from "../../store/logWatch.ts";
import type { StoreReader } from "../../store/store.ts";
import { copyName, readCopy, writeCopy, writeHeartbeat } from "./proofCopyFile.ts";

/** How often it is said that the copies are the newest, though no payment comes. */
const BEAT_MS = 60_000;

/** A copy is at most this old, and one busy channel costs one small file per this time. */
const BATCH_MS = 1_000;

interface ProofCopyInit {
  readonly directory: string;
  /** The signer's key: whoever restores has the mnemonic, and nobody else can read the copies. */
  readonly secret: Uint8Array;
  readonly warn: (message: string) => void;
}

/**
 * Keeps the newest incoming proof of every channel in a second place. What a lost disk takes of the payments received
 * since the backup, it gives back: at most the last second's.
 */
export class ProofCopy {
  readonly #init: ProofCopyInit;
  /** The newest state per channel; bounded by the number of channels. */
  readonly #waiting = new Map<ChannelId, { readonly state: ChannelState; readonly time: number }>();
  /** Channels whose copies are no newer than this process knows. */
  readonly #ours = new Set<ChannelId>();
  /** Channels whose copies are, and of which that was said. */
  readonly #newer = new Set<ChannelId>();
  #beat: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;
  #stopped = false;

  constructor(init: ProofCopyInit) {
    this.#init = init;
  }

  /** Copies everything once: what was received while no copy was kept, or was not written before a crash. */
  async open(store: StoreReader, stopping: AbortSignal): Promise<void> {
    stopping.addEventListener("abort", () => void this.stop(), { once: true });
    this.#beat = setInterval(() => void this.#write(), BEAT_MS).unref();
    await mkdir(this.#init.directory, { recursive: true, mode: 0o700 });
    for await (const [key, value] of store.range(channelRange())) {
      this.note(decodeChannelState(channelIdFromBytes(channelIdOfKey(key)), value));
    }
  }

  /** The channel holds this much, durably. */
  note(state: ChannelState): void {
    const isOver = state.terms.phase === "settled";
    if (state.received.nonce === 0n || isOver || this.#stopped) return;
    this.#waiting.set(state.id, { state, time: Date.now() });
    this.#timer ??= setTimeout(() => void this.#write(), BATCH_MS);
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#beat);
    await this.#write();
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writeAll());
    return this.#writing;
  }

  /**
   * A database that lost data must not put its old proof in the place of the newer one that could save it: that stays
   * until the channel has gone beyond it.
   */
  async #mayWrite({ id, received }: ChannelState): Promise<boolean> {
    const { directory, secret, warn } = this.#init;
    if (this.#ours.has(id)) return true;
    const known = await readCopy(join(directory, copyName(id)), secret).catch(ignoreMissing);
    if (known === undefined || known.proof.nonce <= received.nonce) {
      this.#ours.add(id);
      this.#newer.delete(id);
      return true;
    }
    if (!this.#newer.has(id)) warn(`the copy of ${id} is newer than the database: restore with the copies`);
    this.#newer.add(id);
    return false;
  }

  /** A second place that fails must not stop the first: it is said once, and tried again. */
  async #writeAll(): Promise<void> {
    const { directory, secret, warn } = this.#init;
    // What is received from here on is not in this batch.
    const now = Date.now();
    const batch = [...this.#waiting];
    this.#waiting.clear();
    try {
      for (const [, { state, time }] of batch) {
        if (await this.#mayWrite(state)) await writeCopy(directory, state, time, secret);
      }
      if (this.#newer.size === 0) await writeHeartbeat(directory, now, secret);
      await syncPath(directory);
      this.#failing = false;
    } catch (error) {
      for (const [id, waiting] of batch) if (!this.#waiting.has(id)) this.#waiting.set(id, waiting);
      if (!this.#stopped) this.#timer ??= setTimeout(() => void this.#write(), BATCH_MS);
      if (!this.#failing) warn(`incoming proofs are not copied: ${String(error)}`);
      this.#failing = true;
    }
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

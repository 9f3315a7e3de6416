import {
  addressFromBytes,
  type ChannelState,
  channelIdFromBytes,
  receiveCapacity,
} from "../../protocol/index.ts";
import { decodeChannelState, encodeChannelState } from "../../store/channelRecord.ts";
import { channelSequence } from "../../store/channelSequence.ts";
import { frame } from "../../store/frame.ts";
import { encodeIdentity } from "../../store/identity.ts";
import { channelIdOfKey, channelKey, IDENTITY_KEY, KEYSPACE, LOSS_KEY, recordKey } from "../../store/keys.ts";
import { encodeLoss } from "../../store/loss.ts";
import { newMarkState } from "../../store/mark.ts";
import type { Entry, Op, Store } from "../../store/store.ts";
import { FREEZE_RECORD, type Frozen } from "../limits/freeze.ts";
import type { BackupManifest } from "./backupContent.ts";
import { BASELINE, type StoredBaseline, type StoredRestore } from "./baseline.ts";
import { adopt, type Copies } from "./copies.ts";
import type { RestoredChannel } from "./restoreReport.ts";

/** Written at once while restoring. */
const BATCH_BYTES = 1 << 20;

/** Writes the new database, without a high-water mark: that it has none tells the node that it may lack something. */
export class Restorer {
  readonly #store: Store;
  readonly #manifest: BackupManifest;
  readonly #copies: Copies;
  readonly #channels: RestoredChannel[] = [];
  #ops: Op[] = [];
  #bytes = 0;

  constructor(store: Store, manifest: BackupManifest, copies: Copies) {
    this.#store = store;
    this.#manifest = manifest;
    this.#copies = copies;
  }

  async run(
    entries: AsyncIterable<Entry>,
    signal: AbortSignal | undefined,
  ): Promise<readonly RestoredChannel[]> {
    const { schema, losses, createdAt } = this.#manifest;
    const { id } = newMarkState(schema);
    await this.#put(IDENTITY_KEY, encodeIdentity({ id, schema }));
    await this.#put(LOSS_KEY, encodeLoss({ epoch: losses, settled: true }));
    for await (const [key, value] of entries) {
      signal?.throwIfAborted();
      if (key[0] === KEYSPACE.channel) await this.#channel(key, value);
      else await this.#put(key, value);
    }
    for (const state of this.#copies.rest()) {
      await this.#keep(state, 1, "copy", this.#copies.provenThrough(state.id, 0));
    }
    const restoredAt = Math.floor(Date.now() / 1000);
    const restore: StoredRestore = { restoredAt, backupCreatedAt: createdAt, losses: losses + 1 };
    await this.#record(BASELINE.restore, "newest", restore);
    if (createdAt > 0) {
      // Budgets stand where they stood at the backup, and tokens revoked since are valid again: a human looks first.
      const frozen: Frozen = {
        since: restoredAt,
        reason: "restored from a backup: look at the access tokens",
      };
      await this.#record(FREEZE_RECORD.namespace, FREEZE_RECORD.key, frozen);
    }
    await this.#write(true);
    return this.#channels;
  }

  async #channel(key: Uint8Array, value: Uint8Array): Promise<void> {
    const state = decodeChannelState(channelIdFromBytes(channelIdOfKey(key)), value);
    const copy = this.#copies.take(state);
    const time = this.#copies.provenThrough(state.id, this.#manifest.createdAt);
    const from = copy === undefined ? "backup" : "copy";
    await this.#keep(copy === undefined ? state : adopt(state, copy), channelSequence(value), from, time);
  }

  async #keep(
    state: ChannelState,
    sequence: number,
    proof: "backup" | "copy",
    provenThrough: number,
  ): Promise<void> {
    await this.#put(channelKey(state.idBytes), encodeChannelState(state, sequence));
    const { phase, channel } = state.terms;
    const { sent, received } = state;
    const most = receiveCapacity(state);
    this.#channels.push({
      channelId: state.id,
      peer: addressFromBytes(state.counterpartySigner),
      token: channel.token,
      phase,
      sent: sent.transferred,
      received: received.transferred,
      proof,
      provenThrough,
      atRisk: phase === "settled" || most < 0n ? 0n : most,
    });
    const baseline: StoredBaseline = {
      sent: sent.transferred.toString(),
      received: received.transferred.toString(),
      provenThrough,
      // Opened without a high-water mark, it will count as having lost something once more.
      losses: this.#manifest.losses + 1,
    };
    await this.#record(BASELINE.channel, state.id, baseline);
  }

  #record(namespace: string, key: string, value: unknown): Promise<void> {
    return this.#put(recordKey(namespace, key), new TextEncoder().encode(JSON.stringify(value)));
  }

  async #put(key: Uint8Array, payload: Uint8Array): Promise<void> {
    this.#ops.push({ type: "put", key, value: frame(key, payload) });
    this.#bytes += key.length + payload.length;
    if (this.#bytes >= BATCH_BYTES) await this.#write(false);
  }

  async #write(sync: boolean): Promise<void> {
    const ops = this.#ops;
    this.#ops = [];
    this.#bytes = 0;
    await this.#store.write(ops, { sync });
  }
}

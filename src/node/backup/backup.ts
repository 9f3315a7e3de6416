import { parseMnemonic } from "../../crypto/mnemonic.ts";
import { type Address, type ChannelId, receiveCapacity } from "../../protocol/index.ts";
import type { Integrity } from "../../store/database.ts";
import { KEYSPACE } from "../../store/keys.ts";
import { SCHEMA } from "../../store/migration.ts";
import type { Channels } from "../channels.ts";
import type { NodeContext } from "../context.ts";
import { packContent } from "./backupContent.ts";
import { BackupError } from "./backupError.ts";
import { BASELINE, type StoredBaseline, type StoredRestore } from "./baseline.ts";
import { seal } from "./sealedStream.ts";

/** What is known of one channel since its database was restored or repaired. Amounts in the token's base unit. */
export interface RecoveredChannel {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly token: Address;
  readonly phase: string;
  /** The peer has shown what it holds since the restore: our own payments are known again, signed by us. */
  readonly shown: boolean;
  /** What came back since: payments of ours and of the peer's that the database did not have. */
  readonly recovered: { readonly sent: bigint; readonly received: bigint };
  /** Unix seconds: every payment received by then is proven here, whatever the peer says; 0 where that is not known. */
  readonly provenThrough: number;
  /** The most the peer may have paid us beyond what is proven here: only its honesty brings it back. */
  readonly atRisk: bigint;
}

export interface RecoveryStatus {
  /** Unix seconds: when it was restored, or its loss was noticed. */
  readonly restoredAt: number;
  /** Unix seconds; 0 where there was no backup. */
  readonly backupCreatedAt: number;
  /** Every channel has been shown by its peer or has ended. */
  readonly complete: boolean;
  /** What was found at the start to be wrong, in words. */
  readonly details: readonly string[];
  readonly channels: readonly RecoveredChannel[];
}

export interface BackupOptions {
  readonly password: string;
  /** The operator's settings, to lie in the backup beside the database. */
  readonly config?: string;
}

interface BackupInit {
  readonly context: NodeContext;
  readonly channels: Channels;
  readonly integrity: Integrity;
  readonly mnemonic: string;
}

/** Writes backups of a running node, and tells what became of a restored one. */
export class Backup {
  readonly #init: BackupInit;
  /** Channels of a restored database whose peers have not shown yet what they hold. */
  readonly #awaited = new Set<ChannelId>();
  /** Of a database that lost data: all its channels are known, and where they stand. */
  #begun = false;

  constructor(init: BackupInit) {
    this.#init = init;
  }

  /** Reads which channels were restored. Before peers are met. */
  async open(): Promise<void> {
    for await (const { key, value } of this.#init.context.records.list<StoredBaseline>(BASELINE.channel)) {
      if (value.shown !== true) this.#awaited.add(key as ChannelId);
    }
  }

  /** How many losses the database has had, this one's restore included: what was signed before one may be forgotten. */
  get losses(): number {
    return this.#init.integrity.epoch;
  }

  /** Whether a channel's peer has yet to show what it holds: payments we forgot may still come back. */
  awaits(channelId: ChannelId): boolean {
    return this.#awaited.has(channelId);
  }

  /** Whether these are the words this node's keys come from. */
  isOf(mnemonic: string): boolean {
    return mnemonic === parseMnemonic(this.#init.mnemonic);
  }

  /**
   * An encrypted copy of the database as it is now, with the mnemonic, piece by piece. Payments go on meanwhile; what
   * comes later is not in it. Throws `backup_password_empty`.
   */
  async *stream({ password, config = "" }: BackupOptions): AsyncGenerator<Uint8Array> {
    const { context, integrity, mnemonic } = this.#init;
    if (password === "") throw new BackupError("backup_password_empty");
    await context.committer.flush();
    const manifest = {
      createdAt: Math.floor(Date.now() / 1000),
      mnemonic,
      chainId: context.chainId.toString(),
      escrow: context.escrow.address,
      account: context.account,
      signer: context.signer,
      schema: SCHEMA.version,
      losses: integrity.epoch,
      config,
    };
    // One range, so that all of it is of one moment.
    const gte = Uint8Array.of(KEYSPACE.channel);
    const entries = context.store.range({
      gte,
      lt: Uint8Array.of(KEYSPACE.quarantine),
      signal: context.stopping,
    });
    yield* seal(packContent(manifest, entries), password);
  }

  /** Notes where these channels stand, once per loss. Of a database that lost data; before peers are met. */
  async begin(ids: Iterable<ChannelId>): Promise<void> {
    const { context, channels, integrity } = this.#init;
    const { records } = context;
    const losses = integrity.epoch;
    if ((await records.get<StoredRestore>(BASELINE.restore, "newest"))?.losses !== losses) {
      const restoredAt = Math.floor(Date.now() / 1000);
      const restore: StoredRestore = { restoredAt, backupCreatedAt: 0, losses };
      await records.put(BASELINE.restore, "newest", restore, { sync: false });
    }
    for (const id of ids) {
      if ((await records.get<StoredBaseline>(BASELINE.channel, id))?.losses === losses) continue;
      const { sent, received } = (await channels.load(id)).state;
      const baseline: StoredBaseline = {
        sent: `${sent.transferred}`,
        received: `${received.transferred}`,
        provenThrough: 0,
        losses,
      };
      await records.put(BASELINE.channel, id, baseline, { sync: false });
      this.#awaited.add(id);
    }
    this.#begun = true;
  }

  /** Both sides have compared notes on a channel. */
  established(channelId: ChannelId): void {
    if (!this.#awaited.delete(channelId)) return;
    this.#shown(channelId).catch((error: unknown) => this.#init.context.fail(error));
  }

  /** What a database has got back since it last lost data, and what stays unknown; undefined if it never did. */
  async recovery(): Promise<RecoveryStatus | undefined> {
    const { context, integrity } = this.#init;
    const { records } = context;
    const restore = await records.get<StoredRestore>(BASELINE.restore, "newest");
    if (restore === undefined) return undefined;
    const channels: RecoveredChannel[] = [];
    for await (const { key, value } of records.list<StoredBaseline>(BASELINE.channel)) {
      const channelId = key as ChannelId;
      if (value.losses !== restore.losses) continue;
      // One that never had money may have been forgotten since.
      if (this.#init.channels.has(channelId)) channels.push(await this.#recovered(channelId, value));
    }
    const isKnown = this.#begun || !integrity.lost;
    const complete = isKnown && channels.every(({ shown, phase }) => shown || phase === "settled");
    const { restoredAt, backupCreatedAt } = restore;
    return { restoredAt, backupCreatedAt, complete, details: integrity.details, channels };
  }

  async #recovered(channelId: ChannelId, baseline: StoredBaseline): Promise<RecoveredChannel> {
    const { state, peer } = await this.#init.channels.load(channelId);
    const { phase, channel } = state.terms;
    const most = receiveCapacity(state);
    return {
      channelId,
      peer,
      token: channel.token,
      phase,
      shown: baseline.shown === true,
      recovered: {
        sent: state.sent.transferred - BigInt(baseline.sent),
        received: state.received.transferred - BigInt(baseline.received),
      },
      provenThrough: baseline.provenThrough,
      atRisk: phase === "settled" || most < 0n ? 0n : most,
    };
  }

  async #shown(channelId: ChannelId): Promise<void> {
    const { records } = this.#init.context;
    const baseline = await records.get<StoredBaseline>(BASELINE.channel, channelId);
    if (baseline === undefined) return;
    await records.put(BASELINE.channel, channelId, { ...baseline, shown: true }, { sync: false });
  }
}

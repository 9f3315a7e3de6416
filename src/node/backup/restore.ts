import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createCrypto } from "../../crypto/create.ts";
import { deriveKeys } from "../../crypto/keys.ts";
import {
  type Address,
  addressFromBytes,
  addressOfPublicKey,
  type ChannelId,
  type ChannelState,
  channelIdFromBytes,
  Digests,
  receiveCapacity,
} from "../../protocol/index.ts";
import { decodeChannelState, encodeChannelState } from "../../store/channelRecord.ts";
import { channelSequence } from "../../store/channelSequence.ts";
import { frame } from "../../store/frame.ts";
import { encodeIdentity } from "../../store/identity.ts";
import { channelIdOfKey, channelKey, IDENTITY_KEY, KEYSPACE, LOSS_KEY, recordKey } from "../../store/keys.ts";
import { openLevelStore } from "../../store/levelStore.ts";
import { syncPath } from "../../store/logWatch.ts";
import { encodeLoss } from "../../store/loss.ts";
import { newMarkState } from "../../store/mark.ts";
import { SCHEMA } from "../../store/migration.ts";
import type { Entry, Op, Store } from "../../store/store.ts";
import { FREEZE_RECORD, type Frozen } from "../limits/freeze.ts";
import { type BackupManifest, type UnpackedContent, unpackContent } from "./backupContent.ts";
import { BackupError } from "./backupError.ts";
import { BASELINE, type StoredBaseline, type StoredRestore } from "./baseline.ts";
import { adopt, Copies } from "./copies.ts";
import { unseal } from "./sealedStream.ts";

export interface Unknown {
  readonly code: string;
  readonly text: string;
}

const UNKNOWNS: readonly Unknown[] = [
  {
    code: "payments_since",
    text: "payments since the proofs named here: each peer returns ours, which our own signature proves, and its own, for which only its word stands",
  },
  {
    code: "channels_since",
    text: "channels opened since the backup of which there is no copy: the chain names them once the node runs",
  },
  {
    code: "signed_since",
    text: "withdrawals and closes signed since: the node waits until they have lapsed, up to an hour, before it meets peers",
  },
  {
    code: "records_since",
    text: "access tokens, budgets, limits, labels, requests and operations since the backup: tokens revoked since are valid again, budgets stand where they stood",
  },
  {
    code: "single_payments",
    text: "the single payments between the backup and a newer copied proof: their total is proven, they cannot be listed",
  },
];

/** Where there was no backup. */
const UNKNOWNS_WITHOUT: readonly Unknown[] = [
  {
    code: "payments_since",
    text: "what was paid beyond the copies: each peer returns ours, which our own signature proves, and its own, for which only its word stands",
  },
  {
    code: "channels_since",
    text: "channels of which there is no copy: the chain names them once the node runs",
  },
  UNKNOWNS.find(({ code }) => code === "signed_since")!,
  {
    code: "peer_addresses",
    text: "where peers are: they may come by themselves; else connect to them, the sooner the better",
  },
  {
    code: "records_since",
    text: "access tokens, budgets, limits, labels, requests, operations and the list of single payments: they are gone",
  },
];

/** Written at once while restoring. */
const BATCH_BYTES = 1 << 20;

interface Target {
  /** Where the new database goes: missing or empty. */
  readonly directory: string;
  /** The directory of `NodeOptions.proofCopy`, if the old node kept one. */
  readonly proofCopy?: string | undefined;
  /**
   * The node this backup was taken from will never run again. Two nodes of one mnemonic sign twice over the same
   * money: what one of them is paid the other does not know, and its peers refuse both.
   */
  readonly oldNodeIsGone: boolean;
  readonly signal?: AbortSignal;
}

export interface RestoreOptions extends Target {
  /** The backup, piece by piece. */
  readonly file: AsyncIterable<Uint8Array>;
  readonly password: string;
}

/** Where there is no backup: what everything else can be found with. */
export interface RestoreFromMnemonicOptions extends Target {
  readonly mnemonic: string;
  readonly chainId: bigint;
  readonly escrow: Address;
}

/** Where a channel stands after the restore, before anybody was asked. Amounts in the token's base unit. */
export interface RestoredChannel {
  readonly channelId: ChannelId;
  readonly peer: Address;
  readonly token: Address;
  readonly phase: string;
  readonly sent: bigint;
  readonly received: bigint;
  /** Whence the newest incoming proof is. */
  readonly proof: "backup" | "copy";
  /** Unix seconds: every payment received by then is proven. */
  readonly provenThrough: number;
  /** The most the peer may have paid since. Its honesty, or a newer copy of its proof, brings it back. */
  readonly atRisk: bigint;
}

export interface RestoreReport {
  /** The node's settings as they were backed up; empty if none were. */
  readonly config: string;
  /** For the new machine's keystore. Secret. */
  readonly mnemonic: string;
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly account: Address;
  /** When the backup was made, Unix seconds; 0 without one. */
  readonly createdAt: number;
  readonly channels: readonly RestoredChannel[];
  /** What nothing here can tell. */
  readonly unknown: readonly Unknown[];
  /** Files of the second place that could not be used, and why. */
  readonly unusedCopies: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Makes a database from a backup, with newer incoming proofs where there are copies. It counts as one that lost data:
 * the node that is started on it signs nothing for up to an hour, and on no channel before its peer has returned this
 * node's own newest proofs. Throws `BackupError`, and then leaves nothing behind.
 */
export function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  return restore(options, () => unpackContent(unseal(options.file, options.password)));
}

/**
 * As {@link restoreBackup}, without a backup: the copies of the second place, if there are any, and what the chain and
 * the peers know. A node that is simply started with the mnemonic on an empty directory would look for no channels.
 */
export function restoreFromMnemonic(options: RestoreFromMnemonicOptions): Promise<RestoreReport> {
  return restore(options, async () => ({ manifest: await manifestOf(options), entries: nothing() }));
}

async function* nothing(): AsyncGenerator<Entry> {}

async function manifestOf({
  mnemonic,
  chainId,
  escrow,
}: RestoreFromMnemonicOptions): Promise<BackupManifest> {
  const crypto = await createCrypto();
  const keys = deriveKeys(mnemonic);
  const addressOf = (key: Uint8Array) => addressOfPublicKey(crypto.ecdsa.publicKey(key), crypto.keccak256);
  return {
    createdAt: 0,
    mnemonic,
    chainId: chainId.toString(),
    escrow: escrow.toLowerCase() as Address,
    account: addressOf(keys.account),
    signer: addressOf(keys.signer),
    schema: SCHEMA.version,
    losses: 0,
    config: "",
  };
}

async function restore(options: Target, open: () => Promise<UnpackedContent>): Promise<RestoreReport> {
  if (options.oldNodeIsGone !== true) throw new BackupError("old_node_unconfirmed");
  const directory = resolve(options.directory);
  await assertEmpty(directory);
  const fresh = `${directory}.restoring`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  try {
    const report = await restoreInto(fresh, await open(), options);
    await syncPath(fresh);
    await rmdir(directory).catch(() => {});
    await rename(fresh, directory);
    await syncPath(dirname(directory));
    return report;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

async function assertEmpty(directory: string): Promise<void> {
  try {
    if ((await readdir(directory)).length > 0) throw new BackupError("target_not_empty", directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function restoreInto(
  fresh: string,
  { manifest, entries }: UnpackedContent,
  options: Target,
): Promise<RestoreReport> {
  if (manifest.schema > SCHEMA.version) throw new BackupError("backup_newer");
  const crypto = await createCrypto();
  const keys = deriveKeys(manifest.mnemonic);
  const digests = new Digests(BigInt(manifest.chainId), manifest.escrow, crypto.keccak256);
  const copies = await Copies.read(options.proofCopy, keys.signer, {
    chainId: BigInt(manifest.chainId),
    escrow: manifest.escrow,
    crypto,
    digests,
  });
  const store = await openLevelStore(join(fresh, "level"));
  try {
    const restorer = new Restorer(store, manifest, copies);
    const channels = await restorer.run(entries, options.signal);
    return {
      config: manifest.config,
      mnemonic: manifest.mnemonic,
      chainId: BigInt(manifest.chainId),
      escrow: manifest.escrow,
      account: manifest.account,
      createdAt: manifest.createdAt,
      channels,
      unknown: manifest.createdAt === 0 ? UNKNOWNS_WITHOUT : unknownsOf(channels),
      unusedCopies: copies.unused,
    };
  } finally {
    await store.close();
  }
}

function unknownsOf(channels: readonly RestoredChannel[]): readonly Unknown[] {
  const isGap = channels.some(({ proof }) => proof === "copy");
  return UNKNOWNS.filter(({ code }) => code !== "single_payments" || isGap);
}

/** Writes the new database, without a high-water mark: that it has none tells the node that it may lack something. */
class Restorer {
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

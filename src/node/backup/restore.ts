import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createCrypto } from "../../crypto/create.ts";
import { deriveKeys } from "../../crypto/keys.ts";
import { type Address, addressOfPublicKey, Digests } from "../../protocol/index.ts";
import { openLevelStore } from "../../store/levelStore.ts";
import { syncPath } from "../../store/logWatch.ts";
import { SCHEMA } from "../../store/migration.ts";
import type { Entry } from "../../store/store.ts";
import { type BackupManifest, type UnpackedContent, unpackContent } from "./backupContent.ts";
import { BackupError } from "./backupError.ts";
import { Copies } from "./copies.ts";
import { type RestoreReport, unknownsOf } from "./restoreReport.ts";
import { Restorer } from "./restorer.ts";
import { unseal } from "./sealedStream.ts";

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
      unknown: unknownsOf(channels, manifest.createdAt > 0),
      unusedCopies: copies.unused,
    };
  } finally {
    await store.close();
  }
}

import { pino } from "pino";
import { accountFromKey } from "../chain/account.ts";
import { Escrow } from "../chain/escrow.ts";
import { Eth } from "../chain/eth.ts";
import { Journal, type JournalStore } from "../chain/journal.ts";
import { Publisher } from "../chain/publisher.ts";
import { Rpc } from "../chain/rpc.ts";
import { type ChainNotice, Watcher } from "../chain/watcher.ts";
import { createCrypto } from "../crypto/create.ts";
import { deriveKeys } from "../crypto/keys.ts";
import { createPeerHost } from "../p2p/host.ts";
import { addressOfPublicKey, Digests } from "../protocol/index.ts";
import type { Database } from "../store/database.ts";
import { journalPrefix } from "../store/keys.ts";
import { type OpenOptions as DatabaseOptions, openDatabase } from "../store/levelDatabase.ts";
import { Backlog } from "./backlog.ts";
import { ChainSync } from "./chainSync.ts";
import { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import { RivuletNode, takeNotice } from "./node.ts";
import { Opener } from "./opener.ts";
import { DEFAULT_CONFIRMATIONS, DEFAULT_STALE_AFTER, type NodeOptions } from "./options.ts";
import { PaidOnce } from "./paidOnce.ts";
import { Peers } from "./peers.ts";
import { Recovery } from "./recovery.ts";
import { Upkeep } from "./upkeep.ts";

/** Seams for tests of crashes: a store that loses power. */
export interface NodeSeams {
  readonly database?: Pick<DatabaseOptions, "openStore" | "repair">;
}

/**
 * Starts a node: opens its database, checks the chain, takes up what an earlier process left under way, listens.
 *
 * Rejects with a coded error and leaves everything as it was: `database_locked`, `database_newer`,
 * `database_damaged`, `wrong_chain`, `contract_missing`, a mnemonic that is none.
 */
export async function createNode(options: NodeOptions, seams: NodeSeams = {}): Promise<RivuletNode> {
  const log = options.log ?? pino({ level: "silent" });
  const crypto = await createCrypto({ ...(options.crypto && { prefer: options.crypto }), log });
  const keys = deriveKeys(options.mnemonic);
  const database = await openDatabase(options.directory, seams.database);
  try {
    return await start(options, { log, crypto, keys, database });
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Ground {
  readonly log: NodeContext["log"];
  readonly crypto: Awaited<ReturnType<typeof createCrypto>>;
  readonly keys: ReturnType<typeof deriveKeys>;
  readonly database: Database;
}

async function start(options: NodeOptions, ground: Ground): Promise<RivuletNode> {
  const { log, crypto, keys, database } = ground;
  const { chainId, escrow: escrowAddress } = options;
  const confirmations = options.confirmations ?? DEFAULT_CONFIRMATIONS;
  const stopping = new AbortController();
  const account = accountFromKey(keys.account, crypto);
  const signer = addressOfPublicKey(crypto.ecdsa.publicKey(keys.signer), crypto.keccak256);
  const digests = new Digests(chainId, escrowAddress, crypto.keccak256);
  const eth = new Eth(new Rpc({ url: options.rpcUrl }));
  const escrow = new Escrow(escrowAddress, eth);
  const journals: JournalStore = {
    get: (key) => database.store.get(key),
    write: (ops, { sync }) => database.committer.commit(ops, { sync }),
  };
  let channels: Channels;
  let peers: Peers;
  const host = await createPeerHost({
    peerSeed: keys.peerSeed,
    signerKey: keys.signer,
    participant: account.address,
    chainId,
    escrow: escrowAddress,
    crypto,
    listen: options.listen ?? ["/ip4/127.0.0.1/tcp/0"],
    isKnown: (remote) => channels.ofPeer(remote).size > 0,
    log,
    handlers: {
      onSession: (session) => peers.onSession(session),
      onMessages: (session, messages) => peers.onMessages(session, messages),
      onSessionClosed: (session, reason) => peers.onSessionClosed(session, reason.code),
    },
  });
  const node = new RivuletNode((events) => {
    const watcher = new Watcher({
      eth,
      journal: new Journal(journals, journalPrefix("chain", chainId, escrowAddress)),
      chainId,
      escrow: escrowAddress,
      fromBlock: options.escrowBlock ?? 0,
      confirmations,
      knows: (id) => channels.has(id),
      handler: (notice: ChainNotice) => takeNotice(channels, notice),
      onStatus: (status) => upkeep.onChainStatus(status),
      // Development chains travel in time, and then their blocks lie as far in the future as a test likes.
      ...(options.staleAfter === "never" && { maxFutureSeconds: undefined }),
      ...(options.poll && { minPollMs: options.poll.least, maxPollMs: options.poll.most }),
    });
    const publisher = new Publisher({
      eth,
      journal: new Journal(journals, journalPrefix("publisher", chainId, account.address)),
      chainId,
      account,
      confirmations,
      ...(options.poll && { pollMs: options.poll.least }),
      onStatus: (status) => upkeep.onPublisherStatus(status),
    });
    const staleAfter = options.staleAfter ?? DEFAULT_STALE_AFTER;
    const chain = new ChainSync({ eth, watcher, publisher, escrow, staleAfter });
    const context: NodeContext = {
      ports: { crypto, digests, signerKey: keys.signer },
      store: database.store,
      committer: database.committer,
      chain,
      escrow,
      chainId,
      account: account.address,
      signer,
      emit: (name, ...args) => {
        try {
          (events.emit as (name: string, ...args: unknown[]) => boolean)(name, ...args);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      },
      listens: (name) => events.listenerCount(name) > 0,
      log,
      signEach: options.signEach ?? false,
      backlog: new Backlog(),
      stopping: stopping.signal,
      fail: (error) => upkeep.fail(error),
      established: (id) => recovery.established(id),
      attend: (id, wanted) => void (wanted ? channels.attention.add(id) : channels.attention.delete(id)),
    };
    channels = new Channels(context);
    const opener = new Opener(context, channels, options.policy ?? {});
    peers = new Peers(context, channels, opener);
    const escrowBlock = options.escrowBlock ?? 0;
    const { integrity } = database;
    const recovery = new Recovery({ context, channels, watcher, integrity, escrowBlock });
    const upkeep = new Upkeep({ recovery, context, channels, watcher, publisher, host, database, stopping });
    const paidOnce = new PaidOnce(database.store);
    return {
      context,
      channels,
      opener,
      host,
      paidOnce,
      start: () => upkeep.start(),
      stop: () => upkeep.stop(),
    };
  });
  await node.start();
  return node;
}

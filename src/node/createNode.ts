import { pino } from "pino";
import { accountFromKey } from "../chain/account.ts";
import { createCrypto } from "../crypto/create.ts";
import { deriveKeys } from "../crypto/keys.ts";
import { createPeerHost } from "../p2p/host.ts";
import type { PeerHost } from "../p2p/peerHost.ts";
import { type Address, type ChannelId, Digests } from "../protocol/index.ts";
import type { Database } from "../store/database.ts";
import { type OpenOptions as DatabaseOptions, openDatabase } from "../store/levelDatabase.ts";
import { Backlog } from "./backlog.ts";
import { Backup } from "./backup/backup.ts";
import { ProofCopy } from "./backup/proofCopy.ts";
import { Books } from "./books/books.ts";
import { BookJournal } from "./books/journal.ts";
import { ChainAlarms } from "./chainAlarms.ts";
import { chainOptionsOf } from "./chainOptions.ts";
import { Channels } from "./channels.ts";
import { startFailure } from "./clock.ts";
import type { NodeContext } from "./context.ts";
import { emitOf } from "./emit.ts";
import { followChain } from "./followChain.ts";
import { GasWallet } from "./gasWallet.ts";
import type { Ground, Parts } from "./ground.ts";
import { openHistory } from "./history/openHistory.ts";
import { readSpending, SpendingGate, type SpendOrder } from "./limits/gate.ts";
import { RivuletNode } from "./node.ts";
import { Opener } from "./opener.ts";
import type { NodeOptions } from "./options.ts";
import { Overview } from "./overview.ts";
import { PaidOnce } from "./paidOnce.ts";
import { PayoutFetcher } from "./payouts/payoutFetcher.ts";
import { Payouts } from "./payouts/payouts.ts";
import { checkPeerOptions } from "./peerOptions.ts";
import { Peers } from "./peers.ts";
import { Quotes } from "./quotes.ts";
import { Records } from "./records.ts";
import { Recovery } from "./recovery.ts";
import { createRequests } from "./requests/createRequests.ts";
import { RequestBook } from "./requests/requestBook.ts";
import { requestSecrets } from "./requests/requestSecret.ts";
import { Reservations } from "./reservations.ts";
import { Sender } from "./sends/sender.ts";
import { SendPlanner } from "./sends/sendPlan.ts";
import { Upkeep } from "./upkeep.ts";
import { Wallet } from "./wallet.ts";
import { boundWarnings } from "./warnings.ts";

/** Seams for tests of crashes and bad clocks: a store that loses power, a clock that is wrong. */
export interface NodeSeams {
  readonly database?: Pick<DatabaseOptions, "openStore" | "repair">;
  /** Our clock, Unix seconds. */
  readonly now?: () => number;
}

/**
 * Starts a node: opens its database, checks the chain, takes up what an earlier process left under way, listens. Waits
 * for as long as no server of the chain answers; `options.signal` ends that.
 *
 * Rejects with a coded error and leaves everything as it was: `option_invalid`, `database_locked`, `database_newer`,
 * `database_damaged`, `wrong_chain`, `contract_missing`, `clock_skew`, a mnemonic that is none; or as the signal says.
 */
export async function createNode(options: NodeOptions, seams: NodeSeams = {}): Promise<RivuletNode> {
  const { node, start } = await prepareNode(options, seams);
  await start();
  return node;
}

/** A node that does nothing yet: its database is open, and whoever wants to hear all of it can listen. */
export interface PreparedNode {
  /** Its `stop` lets go of everything, started or not. */
  readonly node: RivuletNode;
  /** Once. Rejects as `createNode` does, with everything let go of. */
  readonly start: () => Promise<void>;
}

/** The first half of {@link createNode}: all but the chain, the peers and whatever was left under way. */
export async function prepareNode(options: NodeOptions, seams: NodeSeams = {}): Promise<PreparedNode> {
  options.signal?.throwIfAborted();
  const log = options.log ?? pino({ level: "silent" });
  const { urls, fees } = chainOptionsOf(options);
  checkPeerOptions(options);
  const crypto = await createCrypto({ ...(options.crypto && { prefer: options.crypto }), log });
  const keys = deriveKeys(options.mnemonic, options.accountIndex);
  const database = closedOnce(await openDatabase(options.directory, seams.database));
  try {
    const now = seams.now ?? (() => Date.now() / 1000);
    const records = new Records(database.store, database.committer);
    const bookJournal = new BookJournal(records, database.store, database.committer);
    return await prepare({ options, urls, fees, now, log, crypto, keys, database, records, bookJournal });
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Whoever stops a node while it starts, and the start that fails of it, both close its database. */
function closedOnce(database: Database): Database {
  let closed: Promise<void> | undefined;
  return {
    ...database,
    close: () => {
      closed ??= database.close();
      return closed;
    },
  };
}

async function prepare(ground: Ground): Promise<PreparedNode> {
  const { options, crypto, keys, database, now } = ground;
  const stopping = new AbortController();
  const begun = Promise.withResolvers<void>();
  const account = accountFromKey(keys.account, crypto);
  let parts: Parts;
  let open: () => Promise<void>;
  const host = await createHost(ground, account.address, () => parts);
  const historyOf = await openHistory(database, options.eventLog);
  const keptSpending = await readSpending(ground.records);
  const node = new RivuletNode((events) => {
    const { rpc, clock, chain, watcher, publisher, escrow } = followChain(ground, account, () => parts);
    const history = historyOf({
      channels: () => parts.channels,
      stopping: stopping.signal,
      fail: (error) => parts.upkeep.fail(error),
    });
    const emit = boundWarnings(emitOf(events, history, ground.log, begun.promise), stopping.signal);
    const context: NodeContext = {
      ports: {
        crypto,
        digests: new Digests(options.chainId, options.escrow, crypto.keccak256),
        signerKey: keys.signer,
      },
      store: database.store,
      committer: database.committer,
      records: ground.records,
      bookJournal: ground.bookJournal,
      history,
      proofCopy: proofCopyOf(ground, (message) => emit("warning", { code: "proof_copy_failed", message })),
      requests: new RequestBook({
        records: ground.records,
        secretOf: requestSecrets(keys.signer),
        remember: (paid) => history.appendOps("request", paid),
        now: ground.now,
        lost: database.integrity.lost,
      }),
      judged: (id, judgement) => parts.requests.onJudged(id, judgement),
      chain,
      reservations: new Reservations({ chain, escrow, account: account.address }),
      escrow,
      chainId: options.chainId,
      account: account.address,
      signer: host.signer,
      emit,
      listens: (name) => events.listenerCount(name) > 0,
      log: ground.log,
      signEach: options.signEach ?? false,
      backlog: new Backlog(),
      stopping: stopping.signal,
      fail: (error) => parts.upkeep.fail(error),
      established: (id) => {
        parts.recovery.established(id);
        parts.requests.refunder.established(id);
        parts.backup.established(id);
      },
      attend: (id, wanted) => void (wanted ? channels.attention.add(id) : channels.attention.delete(id)),
    };
    const channels = new Channels(context);
    const opener = new Opener(context, channels, options.policy ?? {}, (peer, token) =>
      spending.exposureLimit(peer, token),
    );
    const peers = new Peers(context, channels, opener);
    const { integrity } = database;
    const escrowBlock = options.escrowBlock ?? 0;
    const payouts = new Payouts(context, channels);
    const recovery = new Recovery({
      context,
      channels,
      payouts,
      watcher,
      integrity,
      escrowBlock,
      begin: (ids) => parts.backup.begin(ids),
      freeze: (reason) => spending.freeze(reason),
    });
    const gasWallet = new GasWallet(context, channels);
    const checksClock = options.staleAfter !== "never";
    const servers = ground.urls.length;
    const alarms = new ChainAlarms({ context, clock, gasWallet, checksClock, servers });
    const upkeep = new Upkeep({
      payouts,
      rpc,
      recovery,
      pledges: opener.pledges,
      pending: opener.pending,
      context,
      channels,
      watcher,
      publisher,
      host,
      database,
      stopping,
    });
    const paidOnce = new PaidOnce(database.store);
    const load = (id: ChannelId) => channels.load(id);
    const pay = (order: SpendOrder) => events.pay(order);
    const spending: SpendingGate = new SpendingGate({ context, paidOnce, load, pay }, keptSpending);
    const { lost } = integrity;
    const requests = createRequests({ context, channels, host, paidOnce, gate: spending, lost, now });
    const backup = new Backup({ context, channels, integrity, mnemonic: options.mnemonic });
    parts = { channels, peers, recovery, upkeep, alarms, requests, backup };
    const planner = new SendPlanner(context, channels);
    const sender = new Sender({ context, planner, losses: () => integrity.epoch });
    const fetcher = new PayoutFetcher({ context, planner, payouts });
    const quotes = new Quotes(context, channels, sender, fetcher);
    const wallet = new Wallet(context);
    const books = new Books(context);
    const overview = new Overview({ context, channels, host, crypto: crypto.ecdsa.name });
    const stop = async () => {
      await upkeep.stop();
      await context.proofCopy?.stop();
    };
    open = async () => {
      await context.proofCopy?.open(database.store, stopping.signal);
      await backup.open();
      await requests.open();
    };
    const views = { quotes, wallet, gasWallet, payouts, books, overview };
    const paying = { paidOnce, spending, requests: requests.requests };
    return { context, channels, opener, sender, fetcher, host, ...paying, ...views, backup, stop };
  });
  const abort = () => stopping.abort(options.signal!.reason);
  const start = async () => {
    const { upkeep } = parts;
    try {
      options.signal?.throwIfAborted();
      options.signal?.addEventListener("abort", abort, { once: true });
      await open();
      await upkeep.start();
      // Whoever waits for the node listens first.
      setImmediate(begun.resolve);
    } catch (error) {
      await upkeep.abandon();
      await node.stop();
      await database.close();
      throw startFailure(upkeep.failure ?? error);
    } finally {
      options.signal?.removeEventListener("abort", abort);
    }
  };
  return { node, start };
}

function proofCopyOf({ options, keys }: Ground, warn: (message: string) => void): ProofCopy | undefined {
  const { proofCopy } = options;
  return proofCopy && new ProofCopy({ directory: proofCopy.directory, secret: keys.signer, warn });
}

function createHost(
  { options, log, crypto, keys }: Ground,
  participant: Address,
  parts: () => Parts,
): Promise<PeerHost> {
  return createPeerHost({
    peerSeed: keys.peerSeed,
    signerKey: keys.signer,
    participant,
    chainId: options.chainId,
    escrow: options.escrow,
    crypto,
    listen: options.listen ?? ["/ip4/127.0.0.1/tcp/0"],
    ...(options.announce && { announce: options.announce }),
    tls: options.peerTls,
    isKnown: (remote) => parts().channels.hasFunded(remote),
    log,
    handlers: {
      onSession: (session) => parts().peers.onSession(session),
      onMessages: (session, messages) => parts().peers.onMessages(session, messages),
      onSessionClosed: (session, reason) => parts().peers.onSessionClosed(session, reason),
    },
  });
}

import { join } from "node:path";
import { type Logger, pino, stdSerializers } from "pino";
import { type NodeSeams, prepareNode } from "../node/createNode.ts";
import type { RivuletNode } from "../node/node.ts";
import type { NodeOptions } from "../node/options.ts";
import { AccessTokens } from "./accessTokens/accessTokens.ts";
import { type BackupAccess, Backups } from "./backups.ts";
import { ChainQuestions } from "./chainQuestions.ts";
import { EventStreams } from "./eventStreams.ts";
import type { ApiContext } from "./handler.ts";
import { HANDLERS } from "./handlers.ts";
import { KeptPeers } from "./keptPeers.ts";
import { Metrics } from "./metrics.ts";
import { Operations } from "./operations.ts";
import { type ApiOptions, DEFAULT_LIMITS } from "./options.ts";
import { Paying } from "./paying.ts";
import { PerCaller } from "./perCaller.ts";
import { type ApiServer, assertReachable, createServer } from "./server.ts";

export interface DaemonOptions {
  readonly node: NodeOptions;
  readonly api?: ApiOptions;
  /** This program's version, as status and document tell it. */
  readonly version: string;
  /** Where the first access token is, made at the first start. Default: `admin.token` beside the database. */
  readonly adminTokenFile?: string;
  /** Without it the API hands out no backups: `not_available`. */
  readonly backup?: BackupAccess;
  /** Awaited once the API listens: before the chain has answered, and before anything is told. */
  readonly onListening?: (listening: Listening) => void | Promise<void>;
}

interface Listening {
  readonly url: string;
  /** Not started yet. */
  readonly node: RivuletNode;
}

/** Statements one caller has written at once. */
const STATEMENTS_PER_CALLER = 2;

/** Events kept where the options say nothing else: some weeks of a busy node, about 100 MB. */
const KEPT_EVENTS = 1_000_000;

/** A node with its API, as people run it. */
export class Daemon {
  readonly node: RivuletNode;
  /** Where the API is. */
  readonly url: string;
  /** The secret of the access token that may do everything. */
  readonly adminToken: string;
  /** Resolves once everything has stopped, whoever asked for it; the node stops by itself when it cannot trust its disk. */
  readonly ended: Promise<void>;
  readonly #stop: () => Promise<void>;
  #stopping: Promise<void> | undefined;

  constructor(parts: { node: RivuletNode; url: string; adminToken: string; stop: () => Promise<void> }) {
    this.node = parts.node;
    this.url = parts.url;
    this.adminToken = parts.adminToken;
    this.#stop = parts.stop;
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise;
    const stopped = () => void this.stop().then(ended.resolve, ended.resolve);
    this.node.stopping.addEventListener("abort", stopped, { once: true });
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** Somebody asked for the stop, here or through the API; else the node stopped because it could not go on. */
  stopWanted = false;

  /** Takes no new calls, lets running ones finish for a while, then stops the node. Nothing is cut off in the middle. */
  stop(): Promise<void> {
    this.stopWanted ||= !this.node.stopping.aborted;
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }
}

/**
 * Starts a node and its API. What an earlier process left under way goes on. The API listens first: as long as the node
 * waits for the chain it says so, and refuses everything but questions after its state, the call that stops it, and what
 * is needed against a thief.
 *
 * Rejects with what `createNode` rejects with, with `remote_refused`, `option_invalid` and `address_in_use`, and with an
 * `AbortError` when it was stopped meanwhile; nothing runs then.
 */
export async function startDaemon(options: DaemonOptions, seams: NodeSeams = {}): Promise<Daemon> {
  assertReachable(options.api ?? {});
  const log = readable(options.node.log ?? pino({ level: "silent" }));
  const asked = new AbortController();
  const given = options.node.signal;
  const signal = given === undefined ? asked.signal : AbortSignal.any([given, asked.signal]);
  const { node, start } = await prepareNode(
    { eventLog: { keep: KEPT_EVENTS }, ...options.node, log, signal },
    seams,
  );
  let assembled: Assembled | undefined;
  try {
    const abort = () => asked.abort(new DOMException("stopped while it started", "AbortError"));
    assembled = await assemble(node, options, log, abort);
    const url = await assembled.running.server.listen();
    log.info({ url }, "the API listens");
    await options.onListening?.({ url, node });
    await start();
    await assembled.resume();
    return assembled.ready(url);
  } catch (error) {
    if (assembled === undefined) await node.stop();
    else await stop(assembled.running);
    throw error;
  }
}

/** A node with the parts of its API around it. */
interface Assembled {
  readonly running: Running;
  /** Takes up what an earlier process left under way. */
  readonly resume: () => Promise<void>;
  /** The node has started: from now on everything is answered. */
  readonly ready: (url: string) => Daemon;
}

async function assemble(
  node: RivuletNode,
  { api = {}, version, adminTokenFile, backup, node: { directory } }: DaemonOptions,
  log: Logger,
  abortStart: () => void,
): Promise<Assembled> {
  const { records, spending } = node;
  const accessTokens = await AccessTokens.open({ records, onForgotten: (id) => spending.forget(id) });
  const file = adminTokenFile ?? join(directory, "..", "admin.token");
  const adminToken = await accessTokens.ensureAdmin(file, node.backup.losses);
  const limits = { ...DEFAULT_LIMITS, ...api.limits };
  let daemon: Daemon | undefined;
  const isStopping = () => node.stopping.aborted || daemon?.isStopping === true;
  const waitsFor = () => (daemon === undefined ? awaited(node) : undefined);
  const streams = new EventStreams(limits.streamsPerToken, limits.heartbeatMs);
  const peers = new KeptPeers(node);
  const operations = new Operations({
    node,
    log,
    keepPeer: (signer, address) => peers.keep(signer, address),
    onChange: (operation) => void node.history.append("operation", operation).catch(() => {}),
  });
  const metrics: Metrics = new Metrics({
    node,
    version,
    streams,
    operations: () => operations,
    paying: () => paying,
  });
  const paying = new Paying({ node, patienceMs: limits.payMs, metrics });
  const phase = () => (daemon === undefined ? "starting" : "ready");
  const context: ApiContext = {
    node,
    version,
    accessTokens,
    operations,
    paying,
    peers,
    backups: new Backups({ node, log, access: backup }),
    streams,
    questions: new ChainQuestions(node.stopping),
    statements: new PerCaller(STATEMENTS_PER_CALLER),
    phase: () => (isStopping() ? "stopping" : phase()),
    waitsFor,
    requestStop: () => void setImmediate(() => (daemon === undefined ? abortStart() : void daemon.stop())),
  };
  const server = await createServer(
    {
      context,
      handlers: HANDLERS,
      authorizer: accessTokens,
      version,
      log,
      metrics,
      observe: metrics.call,
      unready: () => [...(daemon === undefined ? ["starting"] : []), ...unready(node)],
      waitsFor,
    },
    api,
  );
  const running: Running = { node, server, paying, operations, accessTokens };
  return {
    running,
    resume: async () => {
      await peers.resume();
      await operations.resume();
    },
    ready: (url) => {
      daemon = new Daemon({ node, url, adminToken, stop: () => stop(running) });
      return daemon;
    },
  };
}

interface Running {
  readonly node: RivuletNode;
  readonly server: ApiServer;
  readonly paying: Paying;
  readonly operations: Operations;
  readonly accessTokens: AccessTokens;
}

/** Callers first, while what they wait for can still happen; the node last. */
async function stop({ node, server, paying, operations, accessTokens }: Running): Promise<void> {
  paying.stop();
  await server.stop();
  operations.stop();
  await accessTokens.stop();
  await node.stop();
}

/** Why payments cannot be made safely now. */
function unready(node: RivuletNode): string[] {
  const { fresh, failure } = node.chainStatus();
  return [
    ...(node.stopping.aborted ? ["stopping"] : []),
    ...(fresh ? [] : ["chain_stale"]),
    ...(failure === undefined ? [] : [failure]),
  ];
}

/** What a node that starts waits for, in words. */
function awaited(node: RivuletNode): string {
  const { failure } = node.chainStatus();
  return failure === undefined ? "the database and the chain" : `the chain (${failure})`;
}

/** Errors are logged under this name everywhere here; pino shows nothing of them by itself. */
function readable(log: Logger): Logger {
  return log.child({}, { serializers: { error: stdSerializers.err } });
}

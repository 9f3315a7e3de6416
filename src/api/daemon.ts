import { join } from "node:path";
import { type Logger, pino, stdSerializers } from "pino";
import { createNode, type NodeSeams } from "../node/createNode.ts";
import type { RivuletNode } from "../node/node.ts";
import type { NodeOptions } from "../node/options.ts";
import { AccessTokens } from "./accessTokens/accessTokens.ts";
import { EventStreams } from "./eventStreams.ts";
import type { ApiContext } from "./handler.ts";
import { HANDLERS } from "./handlers.ts";
import { KeptPeers } from "./keptPeers.ts";
import { Metrics } from "./metrics.ts";
import { Operations } from "./operations.ts";
import { type ApiOptions, DEFAULT_LIMITS } from "./options.ts";
import { Paying, type PayThrough } from "./paying.ts";
import { type ApiServer, assertReachable, createServer } from "./server.ts";

export interface DaemonOptions {
  readonly node: NodeOptions;
  readonly api?: ApiOptions;
  /** This program's version, as status and document tell it. */
  readonly version: string;
  /** Where the first access token is, made at the first start. Default: `admin.token` beside the database. */
  readonly adminTokenFile?: string;
}

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
 * Starts a node and its API. What an earlier process left under way goes on.
 *
 * Rejects with what `createNode` rejects with, and with `remote_refused` and `address_in_use`; nothing runs then.
 */
export async function startDaemon(options: DaemonOptions, seams: NodeSeams = {}): Promise<Daemon> {
  assertReachable(options.api ?? {});
  const log = readable(options.node.log ?? pino({ level: "silent" }));
  const file = options.adminTokenFile ?? join(options.node.directory, "..", "admin.token");
  const node = await createNode({ eventLog: { keep: KEPT_EVENTS }, ...options.node, log }, seams);
  try {
    return await assemble(node, file, options, log);
  } catch (error) {
    await node.stop();
    throw error;
  }
}

async function assemble(
  node: RivuletNode,
  adminTokenFile: string,
  { api = {}, version }: DaemonOptions,
  log: Logger,
): Promise<Daemon> {
  const { records, spending } = node;
  const accessTokens = await AccessTokens.open({ records, onForgotten: (id) => spending.forget(id) });
  const adminToken = await accessTokens.ensureAdmin(adminTokenFile);
  const limits = { ...DEFAULT_LIMITS, ...api.limits };
  let daemon: Daemon | undefined;
  const isStopping = () => node.stopping.aborted || daemon?.isStopping === true;
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
  const paying = new Paying({ node, pay: guarded(node), patienceMs: limits.payMs, metrics });
  const context: ApiContext = {
    node,
    version,
    accessTokens,
    operations,
    paying,
    peers,
    streams,
    phase: () => (isStopping() ? "stopping" : "ready"),
    requestStop: () => void setImmediate(() => daemon?.stop()),
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
      unready: () => unready(node),
    },
    api,
  );
  const url = await server.listen();
  daemon = new Daemon({
    node,
    url,
    adminToken,
    stop: () => stop({ node, server, paying, operations, accessTokens }),
  });
  await peers.resume();
  await operations.resume();
  log.info({ url }, "the API listens");
  return daemon;
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

/** Payments as the caller's budgets and the node's limits let them through. */
function guarded(node: RivuletNode): PayThrough {
  return ({ spender }, order) => node.spending.pay(spender, order);
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

/** Errors are logged under this name everywhere here; pino shows nothing of them by itself. */
function readable(log: Logger): Logger {
  return log.child({}, { serializers: { error: stdSerializers.err } });
}

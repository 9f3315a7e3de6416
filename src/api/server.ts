import type { Socket } from "node:net";
import { type FastifyInstance, fastify, LogController } from "fastify";
import { type Logger, stdSerializers } from "pino";
import { addAdmission } from "./admission.ts";
import { answerProblem, rawProblem } from "./answering.ts";
import type { Authorizer } from "./authorizer.ts";
import { RunningCalls } from "./callSignal.ts";
import { Connections } from "./connections.ts";
import { ApiError } from "./error.ts";
import { Guard, isLoopback } from "./guard.ts";
import type { ApiContext, Handlers } from "./handler.ts";
import { mountRoutes } from "./mount.ts";
import { addDocument } from "./openApi.ts";
import {
  type ApiLimits,
  type ApiOptions,
  DEFAULT_HOST,
  DEFAULT_LIMITS,
  DEFAULT_PORT,
  MAX_BODY_BYTES,
} from "./options.ts";
import { addPages, type MetricsPage } from "./pages.ts";
import { Rates } from "./rates.ts";
import { assertTls, outOfDate } from "./tls.ts";
import { serializer, validator } from "./validation.ts";

export interface ServerParts {
  readonly context: ApiContext;
  /** Routes without one answer `not_available`. */
  readonly handlers: Partial<Handlers>;
  readonly authorizer: Authorizer;
  readonly version: string;
  readonly log: Logger;
  /** Why the node cannot pay safely now, as codes; empty when it can. */
  readonly unready?: () => readonly string[];
  /** What the node waits for while it starts; then only routes that say so are answered. Undefined once it runs. */
  readonly waitsFor?: () => string | undefined;
  readonly metrics?: MetricsPage;
  /** Told of every call that was answered. `route` is its pattern, or empty. */
  readonly observe?: (route: string, status: number, seconds: number) => void;
}

/** How often connections that are late with their call are looked for, milliseconds. */
const LATE_CHECK_MS = 1_000;

/** Never a part of any log, whoever logs a call's headers. */
const REDACTED = ["authorization", "headers.authorization", "req.headers.authorization"];

/**
 * Makes the HTTP API of a node. It does not listen yet.
 *
 * Throws what {@link assertReachable} throws.
 */
export async function createServer(parts: ServerParts, options: ApiOptions = {}): Promise<ApiServer> {
  assertReachable(options);
  const { host = DEFAULT_HOST, tls } = options;
  const reason = tls && outOfDate(tls, Date.now());
  if (reason !== undefined) parts.log.warn({ reason }, "clients refuse the API's certificate");
  const limits: ApiLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const app = createApp(parts, options, limits);
  const server = new ApiServer(app, { ...options, host }, limits);
  await furnish(app, parts, options, limits, server);
  return server;
}

/**
 * Throws `remote_refused` where the API would be reachable beyond this machine in the clear and nobody allowed that,
 * and `option_invalid` for a certificate or key that cannot serve.
 */
export function assertReachable({ host = DEFAULT_HOST, tls, allowRemote = false }: ApiOptions): void {
  if (tls !== undefined) assertTls(tls);
  if (isLoopback(host) || tls !== undefined || allowRemote) return;
  throw new ApiError({ code: "remote_refused", fields: { host } });
}

/** A node's HTTP API. */
export class ApiServer {
  /** For tests; what it offers is fastify's. */
  readonly app: FastifyInstance;
  readonly calls = new RunningCalls();
  readonly streams = new RunningCalls();
  readonly #options: ApiOptions & { readonly host: string };
  readonly #limits: ApiLimits;
  #stopped: Promise<void> | undefined;

  constructor(app: FastifyInstance, options: ApiOptions & { readonly host: string }, limits: ApiLimits) {
    this.app = app;
    this.#options = options;
    this.#limits = limits;
  }

  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  /** Listens and resolves with where. Rejects with `address_in_use`. */
  async listen(): Promise<string> {
    const { host, port = DEFAULT_PORT } = this.#options;
    try {
      const url = await this.app.listen({ host, port });
      return url;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "EADDRINUSE") throw error;
      throw new ApiError(
        { code: "address_in_use", fields: { address: `${host}:${port}` } },
        { cause: error },
      );
    }
  }

  /** Takes no new calls, ends event streams, lets running calls finish for a while, then closes everything. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { server } = this.app;
    // Only once it is known that we are stopping: `isStopping` is asked by whatever the next line wakes.
    await Promise.resolve();
    this.streams.endAll();
    const late = setTimeout(() => this.calls.endAll(), this.#limits.stopMs);
    const end = setTimeout(() => server.closeAllConnections(), this.#limits.stopMs + LAST_WORDS_MS);
    // Those that were at work when we began are idle later.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
    try {
      await this.app.close();
    } finally {
      clearInterval(idle);
      clearTimeout(late);
      clearTimeout(end);
    }
  }
}

/** How often connections that have nothing more to do are looked for while stopping, milliseconds. */
const IDLE_CHECK_MS = 20;

/** What calls that were ended by force may still say. */
const LAST_WORDS_MS = 2_000;

function createApp({ log }: ServerParts, { tls }: ApiOptions, limits: ApiLimits): FastifyInstance {
  let calls = 0;
  const prefix = Date.now().toString(36);
  const timeouts = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: Math.min(LATE_CHECK_MS, limits.headersMs),
  };
  const common = {
    loggerInstance: log.child(
      { room: "api" },
      { redact: REDACTED, serializers: { error: stdSerializers.err } },
    ),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionTimeout: limits.idleMs,
    genReqId: () => `${prefix}-${(++calls).toString(36)}`,
    requestIdHeader: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler,
    routerOptions: { maxParamLength: 128, ignoreTrailingSlash: false },
  } as const;
  const app = (tls === undefined
    ? fastify({ ...common, http: timeouts })
    : fastify({
        ...common,
        https: { ...timeouts, handshakeTimeout: limits.headersMs, cert: tls.certificate, key: tls.key },
      })) as unknown as FastifyInstance;
  return app;
}

/** Bytes that are no HTTP, or that do not come. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(rawProblem(error.code));
  socket.destroySoon();
}

async function furnish(
  app: FastifyInstance,
  parts: ServerParts,
  options: ApiOptions,
  limits: ApiLimits,
  server: ApiServer,
): Promise<void> {
  const { context, handlers, authorizer, version, unready = () => [], metrics, observe } = parts;
  const { waitsFor = () => undefined } = parts;
  const { hosts = [], origins = [], metricsPublic = false } = options;
  app.setValidatorCompiler(validator);
  app.setSerializerCompiler(serializer);
  app.setErrorHandler(answerProblem);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else app.getDefaultJsonParser("error", "error")(request, body as string, done);
  });
  const rates = await Rates.create(app, limits);
  const guard = new Guard({ hosts, origins });
  const connections = new Connections(app.server, limits.connections);
  const isStopping = () => server.isStopping;
  addAdmission(app, { guard, authorizer, rates, connections, isStopping, waitsFor });
  if (observe !== undefined) {
    app.addHook("onResponse", async (request, reply) => {
      observe(request.routeOptions.url ?? "", reply.statusCode, reply.elapsedTime / 1000);
    });
  }
  await addDocument(app, version);
  const reasons = () => (server.isStopping ? ["stopping", ...unready()] : unready());
  addPages(app, { unready: reasons, metrics, metricsPublic });
  const { calls, streams } = server;
  mountRoutes(app, { context, handlers, calls, streams, stallMs: limits.stallMs });
  await app.ready();
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Authorizer, bearerOf } from "./authorizer.ts";
import type { Caller } from "./caller.ts";
import type { Connections } from "./connections.ts";
import { ApiError } from "./error.ts";
import type { Guard } from "./guard.ts";
import type { Rates } from "./rates.ts";
import type { RouteScope } from "./schema/accessToken.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls; on routes that ask for a scope. */
    caller: Caller | undefined;
  }
  interface FastifyContextConfig {
    /** What an access token must allow. Absent: anybody may call. */
    scope?: RouteScope;
    /** Not counted: whoever watches over the node must not be kept out by others' floods. */
    uncounted?: boolean;
    /** Answered before the node has started. */
    whileStarting?: boolean;
  }
}

interface AdmissionInit {
  readonly guard: Guard;
  readonly authorizer: Authorizer;
  readonly rates: Rates;
  readonly connections: Connections;
  readonly isStopping: () => boolean;
  /** What the node waits for while it starts. */
  readonly waitsFor: () => string | undefined;
}

/** Decides who gets in, before anything of the body is read. */
export function addAdmission(app: FastifyInstance, init: AdmissionInit): void {
  const { guard, authorizer, rates, connections, isStopping, waitsFor } = init;
  app.decorateRequest("caller", undefined);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
    reply.header("cache-control", "no-store");
    if (isStopping()) reply.header("connection", "close");
    allow(guard.check(request.headers), request, reply);
    if (request.method === "OPTIONS") return;
    const { scope, uncounted, whileStarting } = request.routeOptions.config;
    if (scope === undefined) {
      if (!uncounted) await rates.ofAddress(request);
      return;
    }
    if (isStopping()) throw new ApiError({ code: "api_stopping", fields: {} });
    request.caller = await authorize(authorizer, scope, request, rates);
    if (!connections.admit(request.raw.socket, request.caller)) {
      reply.header("connection", "close");
      throw new ApiError({ code: "rate_limited", fields: { retryAfterSeconds: 1n } });
    }
    await rates.ofToken(request);
    const awaited = whileStarting ? undefined : waitsFor();
    if (awaited !== undefined) throw starting(awaited);
  });
}

/** Seconds after which a client may ask a node again that starts. */
const START_RETRY = 2n;

function starting(waitsFor: string): ApiError {
  return new ApiError({ code: "node_starting", fields: { waitsFor, retryAfterSeconds: START_RETRY } });
}

async function authorize(
  authorizer: Authorizer,
  scope: RouteScope,
  request: FastifyRequest,
  rates: Rates,
): Promise<Caller> {
  try {
    return await authorizer.authorize(bearerOf(request.headers.authorization), scope);
  } catch (error) {
    // Only failures are counted by address: a program that guesses must not keep others of its machine out.
    if ((error as Partial<ApiError>).code === "unauthenticated") await rates.ofAddress(request);
    throw error;
  }
}

/** Lets a page of a configured origin read the answer. */
function allow(origin: string | undefined, request: FastifyRequest, reply: FastifyReply): void {
  if (origin === undefined) return;
  reply.header("access-control-allow-origin", origin);
  reply.header("vary", "Origin");
  if (request.method !== "OPTIONS") {
    reply.header("access-control-expose-headers", "X-Request-Id, Retry-After");
    return;
  }
  reply.header("access-control-allow-methods", "GET, POST, PUT, DELETE");
  reply.header("access-control-allow-headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
  reply.header("access-control-max-age", "600");
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { RunningCalls } from "./callSignal.ts";
import { ApiError } from "./error.ts";
import type { ApiContext, Call, Handlers, Streamed } from "./handler.ts";
import { schemaOf } from "./openApi.ts";
import type { Route } from "./schema/route.ts";
import { ROUTES, type RouteName } from "./schema/routes.ts";
import { pour } from "./streaming.ts";

interface MountInit {
  readonly context: ApiContext;
  readonly handlers: Partial<Handlers>;
  /** Calls that are let finish when the node stops, and streams that are ended at once. */
  readonly calls: RunningCalls;
  readonly streams: RunningCalls;
  readonly stallMs: number;
}

type AnyHandler = (call: Call<RouteName>, api: ApiContext) => Promise<unknown>;

/** Every route of the table, with its handler. */
export function mountRoutes(app: FastifyInstance, init: MountInit): void {
  for (const name of Object.keys(ROUTES) as RouteName[]) mount(app, name, ROUTES[name], init);
}

function mount(app: FastifyInstance, name: RouteName, route: Route, init: MountInit): void {
  const { context, handlers, calls, streams, stallMs } = init;
  const handler = (handlers[name] ?? missing(name)) as AnyHandler;
  const running = route.produces === undefined ? calls : streams;
  app.route({
    method: route.method,
    url: route.path,
    schema: schemaOf(name, route),
    config: { scope: route.scope, ...(route.whileStarting && { whileStarting: true }) },
    handler: async (request, reply) => {
      const answer = await handler(callOf(request, reply, running), context);
      reply.code(route.status);
      if (route.produces === undefined) return reply.send(answer);
      await pour(reply, answer as Streamed, stallMs);
      return reply;
    },
  });
}

function callOf(request: FastifyRequest, reply: FastifyReply, running: RunningCalls): Call<RouteName> {
  const { params, query, body, headers, caller } = request;
  let signal: AbortSignal | undefined;
  const call = {
    params,
    query,
    body,
    idempotencyKey: (headers["idempotency-key"] as string | undefined) ?? "",
    lastEventId: headers["last-event-id"] as string | undefined,
    caller: caller!,
    // Most calls are over before anybody could leave; only those that wait pay for a signal.
    get signal() {
      signal ??= running.signalOf(reply.raw);
      return signal;
    },
  };
  return call as Call<RouteName>;
}

function missing(name: RouteName): AnyHandler {
  return async () => {
    throw new ApiError({ code: "not_available", fields: { what: name } });
  };
}

import type { FastifyContextConfig, FastifyInstance } from "fastify";
import { answerProblem } from "./answering.ts";
import { ApiError } from "./error.ts";
import type { Route } from "./schema/route.ts";
import { ROUTES } from "./schema/routes.ts";

/** What the node measures, in Prometheus' text form. */
export interface MetricsPage {
  readonly contentType: string;
  text(): Promise<string>;
}

interface PagesInit {
  /** Why the node cannot pay safely now, as codes; empty when it can. */
  readonly unready: () => readonly string[];
  readonly metrics: MetricsPage | undefined;
  readonly metricsPublic: boolean;
}

/** What is no part of the versioned API: health, the document, metrics, and what is said where there is nothing. */
export function addPages(app: FastifyInstance, { unready, metrics, metricsPublic }: PagesInit): void {
  const hidden = { schema: { hide: true } };
  // Lives as long as it answers at all.
  app.get("/healthz", { ...hidden, config: { uncounted: true } }, async () => ({ status: "live" }));
  app.get("/readyz", { ...hidden, config: { uncounted: true } }, async (_request, reply) => {
    const reasons = unready();
    reply.code(reasons.length === 0 ? 200 : 503);
    return { status: reasons.length === 0 ? "ready" : "not ready", reasons };
  });
  let document: string | undefined;
  app.get("/openapi.json", hidden, async (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type("application/json").send(document);
  });
  if (metrics !== undefined) {
    const config: FastifyContextConfig = metricsPublic ? {} : { scope: "read", whileStarting: true };
    app.get("/metrics", { ...hidden, config }, async (_request, reply) => {
      const text = await metrics.text();
      return reply.type(metrics.contentType).send(text);
    });
  }
  app.setNotFoundHandler((request, reply) => {
    if (request.method === "OPTIONS") return reply.code(204).send();
    const allowed = methodsOf(request.url.split("?")[0]!);
    const error =
      allowed.length === 0
        ? new ApiError({ code: "route_unknown", fields: {} })
        : new ApiError({ code: "method_not_allowed", fields: { allowed: allowed.join(", ") } });
    return answerProblem(error, request, reply);
  });
}

/** The methods under which something is at `path`. */
function methodsOf(path: string): string[] {
  const found = (Object.values(ROUTES) as readonly Route[]).filter((route) => {
    const pattern = route.path.replace(/:[a-zA-Z]+/g, "[^/]+");
    return new RegExp(`^${pattern}$`).test(path);
  });
  return [...new Set(found.map(({ method }) => method))];
}

import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance, FastifySchema } from "fastify";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import { z } from "zod";
import { Event } from "./schema/event.ts";
import { Problem } from "./schema/problem.ts";
import type { Route } from "./schema/route.ts";

const SECURITY_SCHEME = "accessToken";

/** Only what the page is made of; nothing of other sites, and in no frame. */
const CONTENT_SECURITY = {
  "default-src": "'none'",
  "script-src": "'self'",
  // Swagger UI sets styles on its elements.
  "style-src": "'self' 'unsafe-inline'",
  "img-src": "'self' data:",
  "font-src": "'self'",
  "connect-src": "'self'",
  "form-action": "'none'",
  "base-uri": "'none'",
  "frame-ancestors": "'none'",
};

/** The name as a picture, for the page's bar; `letters` of it for the tab. */
function picture(letters: string, width: number): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="40" viewBox="0 0 ${width} 40">` +
      `<rect width="${width}" height="40" rx="8" fill="#0b6e8a"/>` +
      `<text x="${width / 2}" y="28" text-anchor="middle" font-family="sans-serif" font-size="22" fill="#fff">${letters}</text></svg>`,
  );
}

/** Nouns whose operations are shown with those of another. */
const TAGS: Readonly<Record<string, string>> = {
  approvals: "limits",
  freeze: "limits",
  unfreeze: "limits",
  statements: "books",
  quotes: "operations",
};

/** What an operation is about: the first noun of its path. */
function tagOf({ path }: Route): string {
  const noun = path.split("/")[2]!;
  return TAGS[noun] ?? noun;
}

type Override = NonNullable<Parameters<typeof z.toJSONSchema>[1]>["override"];

/** A value that is read and then put into its usual form is described by what is read. */
const asRead: Override = ({ zodSchema, jsonSchema }) => {
  const { def } = zodSchema._zod;
  if (def.type !== "pipe" || Object.keys(jsonSchema).some((key) => key === "type" || key === "$ref")) return;
  const { in: source } = def as unknown as { in: z.ZodType };
  const { $schema: _, ...read } = z.toJSONSchema(source);
  Object.assign(jsonSchema, read);
};

/** `/openapi.json`, made of the routes that are added afterwards, and a page to browse it. */
export async function addDocument(app: FastifyInstance, version: string): Promise<void> {
  const zodToJsonConfig = { override: asRead } as object;
  const withComponents = createJsonSchemaTransformObject({ zodToJsonConfig });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Rivulet",
        version,
        description:
          "The node's HTTP API. Amounts are decimal strings in the token's base unit. Every failure is a problem of RFC 9457 whose `code` is stable.",
      },
      components: { securitySchemes: { [SECURITY_SCHEME]: { type: "http", scheme: "bearer" } } },
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: (document) => withoutUnused(withComponents(document) as Components),
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: CONTENT_SECURITY,
    logo: { type: "image/svg+xml", content: picture("Rivulet", 120) },
    theme: {
      title: "Rivulet",
      favicon: [
        {
          filename: "favicon.svg",
          rel: "icon",
          sizes: "any",
          type: "image/svg+xml",
          content: picture("R", 40),
        },
      ],
    },
    uiConfig: { deepLinking: true, docExpansion: "list", validatorUrl: null, persistAuthorization: false },
  });
}

interface Components {
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

/** Every named schema has a form for reading and one for writing: those that nothing refers to are left out. */
function withoutUnused(document: Components): object {
  const { schemas } = document.components;
  const text = JSON.stringify(document);
  const used = Object.entries(schemas).filter(([name]) => text.includes(`"#/components/schemas/${name}"`));
  return { ...document, components: { ...document.components, schemas: Object.fromEntries(used) } };
}

/** Headers that are part of the contract. Others pass by unread. */
function headersOf(name: string, route: Route): z.ZodType | undefined {
  if (route.idempotent) {
    const key = z
      .string()
      .regex(/^[\x20-\x7e]{1,255}$/, "1 to 255 printable ASCII characters")
      .meta({
        description: "Names the intent: the same key again is the same call, and nothing happens twice.",
      });
    return z.looseObject({ "idempotency-key": key });
  }
  if (name !== "events") return undefined;
  const last = z.string().max(256).optional().meta({ description: "Goes on behind this event." });
  return z.looseObject({ "last-event-id": last });
}

const PROBLEM = {
  description: "A problem",
  content: { "application/problem+json": { schema: Problem } },
};

/** What fastify checks and the document says of a route. */
export function schemaOf(name: string, route: Route): FastifySchema {
  const { params, query, body, response, produces = [], status, summary, scope } = route;
  const headers = headersOf(name, route);
  const piece = name === "events" ? Event : z.string();
  const streamed = Object.fromEntries(produces.map((type) => [type, { schema: piece }]));
  const nothing = z.null().meta({ description: summary });
  const answer = response ?? (produces.length > 0 ? { description: summary, content: streamed } : nothing);
  return {
    operationId: name,
    tags: [tagOf(route)],
    summary,
    description: `Scope: \`${scope}\`.`,
    security: [{ [SECURITY_SCHEME]: [] }],
    ...(params && { params }),
    ...(query && { querystring: query }),
    ...(body && { body }),
    ...(headers && { headers }),
    response: { [status]: answer, "4xx": PROBLEM, "5xx": PROBLEM },
  } as FastifySchema;
}

import { pino } from "pino";
import type { Authorizer } from "../../../src/api/authorizer.ts";
import type { Caller } from "../../../src/api/caller.ts";
import { ApiError } from "../../../src/api/error.ts";
import type { ApiContext, Handlers } from "../../../src/api/handler.ts";
import type { ApiOptions } from "../../../src/api/options.ts";
import type { RouteScope, Scope } from "../../../src/api/schema/accessToken.ts";
import type { Problem } from "../../../src/api/schema/problem.ts";
import { type ApiServer, createServer, type ServerParts } from "../../../src/api/server.ts";

/** Secrets of tests: one per scope. */
export const SECRETS: Readonly<Record<string, readonly Scope[]>> = {
  reader: ["read"],
  payer: ["read", "pay"],
  owner: ["admin", "read", "receive", "pay"],
};

/** An authorizer with a fixed secret per scope: the tokens themselves are tested where they are made. */
export const authorizer: Authorizer = {
  authorize(secret, scope: RouteScope): Caller {
    const scopes = Object.hasOwn(SECRETS, secret) ? SECRETS[secret] : undefined;
    if (scopes === undefined) throw new ApiError({ code: "unauthenticated", fields: {} });
    if (scope !== "any" && !scopes.includes(scope))
      throw new ApiError({ code: "scope_missing", fields: { scope } });
    return { accessTokenId: secret, scopes, spender: { id: secret } };
  },
};

export interface TestApi {
  readonly server: ApiServer;
  readonly url: string;
  /** What was logged, one JSON object per line. */
  readonly logged: string[];
  call(path: string, options?: CallOptions): Promise<Called>;
}

interface CallOptions {
  readonly method?: string;
  readonly secret?: string;
  readonly body?: unknown;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

interface Called {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a route answers
  readonly body: any;
  readonly problem: Problem;
}

/** A listening API with `handlers`. */
export async function startApi(
  handlers: Partial<Handlers>,
  options: ApiOptions = {},
  parts: Partial<ServerParts> = {},
): Promise<TestApi> {
  const logged: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void logged.push(line) });
  const server = await createServer(
    { context: {} as ApiContext, handlers, authorizer, version: "1.2.3", log, ...parts },
    { port: 0, ...options },
  );
  const url = await server.listen();
  return { server, url, logged, call: (path, request) => call(`${url}${path}`, request) };
}

async function call(url: string, options: CallOptions = {}): Promise<Called> {
  const { method = "GET", secret = "owner", body, key, headers = {}, signal } = options;
  const response = await fetch(url, {
    method,
    headers: {
      ...(secret !== "" && { authorization: `Bearer ${secret}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(key !== undefined && { "idempotency-key": key }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const told = isJson ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body: told, problem: told };
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DevError } from "../error.ts";
import type { Provider } from "./provider.ts";

const HOST = "127.0.0.1";

/** Bytes of one request: far above any deployment's code. */
const MAX_BODY = 16 * 1024 * 1024;

/** Calls of one batch; Hardhat's own server has no bound. */
const MAX_BATCH = 1_000;

/** Tells of each call and its path: which node asks for what. */
export type CallListener = (path: string, method: string, params: readonly unknown[]) => void;

export interface RpcServer {
  readonly url: string;
  /** Ends the listening and every connection. */
  close(): Promise<void>;
}

interface RpcCall {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
}

/**
 * Answers JSON-RPC over HTTP on loopback, for pages of any origin: a development chain has nothing to protect. `port`
 * 0 lets the system choose. Throws `port_taken`.
 */
export async function serveRpc(
  provider: Provider,
  { port, onCall }: { readonly port: number; readonly onCall?: CallListener },
): Promise<RpcServer> {
  const server = createServer((request, response) => void answer(provider, request, response, onCall));
  // Nodes and tests poll: a connection that closed between two calls would fail one of them now and then.
  server.keepAliveTimeout = 60_000;
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${HOST}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      reject(taken ? new DevError({ code: "port_taken", fields: { port, option: "--port" } }) : error);
    });
    server.listen(port, HOST, resolve);
  });
}

async function answer(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  onCall: CallListener | undefined,
): Promise<void> {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "content-type");
  if (request.method === "OPTIONS") return void response.writeHead(204).end();
  const path = request.url ?? "/";
  const run = (call: RpcCall) => runCall(provider, call, (method, params) => onCall?.(path, method, params));
  const send = (reply: unknown) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(reply));
  };
  let body: unknown;
  try {
    body = JSON.parse(await read(request));
  } catch {
    return send(failure(null, -32_700, "the request is no JSON, or too long"));
  }
  if (!Array.isArray(body)) return send(await run((body ?? {}) as RpcCall));
  if (body.length === 0 || body.length > MAX_BATCH) {
    return send(failure(null, -32_600, `a batch has 1 to ${MAX_BATCH} calls`));
  }
  send(await Promise.all(body.map((call) => run((call ?? {}) as RpcCall))));
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error("too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function runCall(
  provider: Provider,
  { id = null, method, params }: RpcCall,
  told: (method: string, params: readonly unknown[]) => void,
): Promise<unknown> {
  if (typeof method !== "string" || (params !== undefined && !Array.isArray(params))) {
    return failure(id, -32_600, "a call has a method and a list of parameters");
  }
  try {
    const result = await provider.request({ method, params: params ?? [] });
    told(method, params ?? []);
    return { jsonrpc: "2.0", id, result: result ?? null };
  } catch (error) {
    told(method, params ?? []);
    const { code, message, data } = error as { code?: unknown; message?: string; data?: unknown };
    return failure(id, typeof code === "number" ? code : -32_603, message ?? String(error), data);
  }
}

function failure(id: unknown, code: number, message: string, data?: unknown): unknown {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data !== undefined && { data }) } };
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** What the proxy does to one request. */
export type Fault =
  /** The connection breaks before the chain hears of it. */
  | { readonly kind: "cut" }
  /** The chain acts on it, then the connection breaks. */
  | { readonly kind: "lose" }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | { readonly kind: "error"; readonly code: number; readonly message: string; readonly data?: string }
  | { readonly kind: "answer"; readonly result: unknown }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "edit"; readonly edit: (result: never) => unknown };

export type Rule = (request: RpcRequest) => Fault | undefined;

/** Stands between a client and a chain's JSON-RPC server, counts, and misbehaves on demand. */
export class FaultProxy {
  readonly #target: string;
  readonly #server: Server;
  /** The first rule that answers decides; none: pass on. */
  rules: Rule[] = [];
  /** Every request that arrived, in order. */
  requests: RpcRequest[] = [];
  url = "";
  #gate: Promise<void> = Promise.resolve();
  #forwarding = 0;

  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    this.url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Forgets rules and requests. */
  reset(): void {
    this.rules = [];
    this.requests = [];
  }

  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  /** Every transaction handed in, as raw hex, whether or not it got through. */
  raws(): string[] {
    return this.requests
      .filter(({ method }) => method === "eth_sendRawTransaction")
      .map(({ params }) => String(params[0]));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const rpc = JSON.parse(Buffer.concat(chunks).toString()) as RpcRequest;
    this.requests.push(rpc);
    let fault: Fault | undefined;
    for (const rule of this.rules) fault ??= rule(rpc);
    await this.#perform(rpc, fault, response).catch(() => response.destroy());
  }

  async #perform(rpc: RpcRequest, fault: Fault | undefined, response: ServerResponse): Promise<void> {
    const send = (body: unknown) => {
      response.setHeader("content-type", "application/json");
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    switch (fault?.kind) {
      case undefined:
        return send(await this.forward(rpc));
      case "cut":
        return void response.destroy();
      case "lose":
        await this.forward(rpc);
        return void response.destroy();
      case "status":
        response.writeHead(fault.status, fault.headers);
        return void response.end(fault.body ?? "");
      case "error": {
        const { code, message, data } = fault;
        return send({ jsonrpc: "2.0", id: rpc.id, error: { code, message, data } });
      }
      case "answer":
        return send({ jsonrpc: "2.0", id: rpc.id, result: fault.result });
      case "delay":
        await sleep(fault.ms);
        return send(await this.forward(rpc));
      case "edit": {
        const answer = await this.forward(rpc);
        return send({ ...answer, result: fault.edit(answer.result as never) });
      }
    }
  }

  /** Runs `act` while no request is with the chain. */
  async alone(act: () => Promise<void>): Promise<void> {
    const before = this.#gate;
    this.#gate = before.then(async () => {
      while (this.#forwarding > 0) await sleep(1);
      await act();
    });
    await this.#gate;
  }

  async forward(rpc: RpcRequest): Promise<{ result?: unknown }> {
    await this.#gate;
    this.#forwarding++;
    try {
      return await this.#ask(rpc);
    } finally {
      this.#forwarding--;
    }
  }

  async #ask(rpc: RpcRequest): Promise<{ result?: unknown }> {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(this.#target, { method: "POST", headers, body: JSON.stringify(rpc) });
    return (await answer.json()) as { result?: unknown };
  }
}

/** A rule for one method. */
export function on(method: string, fault: (params: readonly unknown[]) => Fault | undefined): Rule {
  return (request) => (request.method === method ? fault(request.params) : undefined);
}

/** A rule that applies to the first `times` requests it fits. */
export function first(times: number, rule: Rule): Rule {
  let left = times;
  return (request) => {
    if (left === 0) return undefined;
    const fault = rule(request);
    if (fault !== undefined) left--;
    return fault;
  };
}

import { MAX_ANSWER_BYTES, parseAnswer, type RawAnswer, throwError, tooLarge } from "./answer.ts";
import { ChainError } from "./error.ts";
import type { CallOptions, JsonRpc } from "./jsonRpc.ts";
import { Places } from "./places.ts";
import { DEFAULT_TIMEOUT_MS } from "./rpc.ts";
import { orAborted } from "./wait.ts";

export interface SocketRpcInit {
  /** ws or wss, without user and password. Never logged. */
  readonly url: string;
  /** Per call, and for a connection to come up, milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Asked of every new connection before anything else is; what it throws ends the connection. */
  readonly greet?: (call: (method: string) => Promise<unknown>) => Promise<void>;
  /** A new block was announced. With this the connection is kept up even while nobody calls. */
  readonly onHead?: () => void;
  /** First pause before a lost connection is taken up again, milliseconds; doubles. Default 500. */
  readonly reconnectMinMs?: number;
}

/** Longest pause before a lost connection is taken up again. */
const MAX_RECONNECT_MS = 30_000;

/** A connection that stood this long was a good one: the next pause is short again. */
const STEADY_MS = 10_000;

interface Pending {
  readonly method: string;
  readonly answer: PromiseWithResolvers<RawAnswer>;
}

/**
 * A bounded JSON-RPC client over one WebSocket, connected when first called and again after it broke. Calls under way
 * fail as `rpc_down` then. It retries nothing: whoever calls knows whether another server will do.
 *
 * The runtime hands a message over whole, so an answer is measured only once it is here.
 */
export class SocketRpc implements JsonRpc {
  readonly #init: SocketRpcInit;
  readonly #timeoutMs: number;
  readonly #places = new Places();
  readonly #pending = new Map<number, Pending>();
  #socket: Promise<WebSocket> | undefined;
  #current: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;
  /** Connections in a row that did not come up or did not last. */
  #failures = 0;
  #openedAt = 0;
  #closed = false;

  constructor(init: SocketRpcInit) {
    this.#init = init;
    this.#timeoutMs = init.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * The result of one call. Throws {@link ChainError} (`rpc_down`, `rpc_rate_limited`, `rpc_too_large`, `rpc_error`,
   * `rpc_bad_answer`, what `greet` throws) or the signal's reason.
   */
  async call(method: string, params: readonly unknown[], { signal }: CallOptions): Promise<unknown> {
    return await this.#places.within(method, signal, async () => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
      try {
        return await this.#ask(await orAborted(this.#connected(method), limit), method, params, limit);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof ChainError) throw error;
        // A connection on which nothing comes back is dead, whatever it looks like from here.
        if (limit.aborted) this.#drop(this.#current);
        throw down(method, "no answer in time");
      }
    });
  }

  /** Lets go of the connection for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop(this.#current);
  }

  #connected(method: string): Promise<WebSocket> {
    if (this.#closed) throw down(method, "the connection was closed by this node");
    clearTimeout(this.#timer);
    if (this.#socket === undefined) {
      const socket = this.#open();
      this.#socket = socket;
      socket.catch(() => {
        if (this.#socket === socket) this.#socket = undefined;
      });
    }
    return this.#socket;
  }

  async #open(): Promise<WebSocket> {
    const socket = new WebSocket(this.#init.url);
    this.#current = socket;
    socket.addEventListener("message", ({ data }) => this.#heard(socket, data));
    socket.addEventListener("close", () => this.#lost(socket));
    const limit = AbortSignal.timeout(this.#timeoutMs);
    try {
      await opened(socket, limit);
      await this.#init.greet?.((method) => this.#ask(socket, method, [], limit));
    } catch (error) {
      this.#drop(socket);
      throw error instanceof ChainError ? error : down("connect", "no connection in time");
    }
    this.#openedAt = performance.now();
    if (this.#init.onHead !== undefined) this.#subscribe(socket);
    return socket;
  }

  /** Servers without subscriptions refuse: then polling alone tells of new blocks. */
  #subscribe(socket: WebSocket): void {
    const limit = AbortSignal.timeout(this.#timeoutMs);
    this.#ask(socket, "eth_subscribe", ["newHeads"], limit).catch(() => {});
  }

  async #ask(
    socket: WebSocket,
    method: string,
    params: readonly unknown[],
    signal: AbortSignal,
  ): Promise<unknown> {
    if (socket !== this.#current || socket.readyState !== WebSocket.OPEN)
      throw down(method, "the connection broke");
    const id = this.#nextId++;
    const answer = Promise.withResolvers<RawAnswer>();
    this.#pending.set(id, { method, answer });
    try {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      const message = await orAborted(answer.promise, signal);
      throwError(message, method);
      if (message.result === undefined) {
        throw new ChainError({ code: "rpc_bad_answer", method, reason: "neither a result nor an error" });
      }
      return message.result;
    } finally {
      this.#pending.delete(id);
      answer.promise.catch(() => {}); // nobody waits for it any more
    }
  }

  #heard(socket: WebSocket, data: unknown): void {
    if (socket !== this.#current) return;
    const message =
      typeof data === "string" && data.length <= MAX_ANSWER_BYTES ? parseAnswer(data) : undefined;
    if (message === undefined) {
      // Whose answer it was cannot be told: everything under way is asked for again elsewhere.
      const large = typeof data === "string" && data.length > MAX_ANSWER_BYTES;
      this.#failAll((method) => (large ? tooLarge(method) : down(method, "a message that is not JSON")));
      this.#drop(socket);
      return;
    }
    if (message.method === "eth_subscription") this.#init.onHead?.();
    else if (typeof message.id === "number") this.#pending.get(message.id)?.answer.resolve(message);
  }

  #drop(socket: WebSocket | undefined): void {
    if (socket === undefined) return;
    this.#lost(socket);
    socket.close();
  }

  #lost(socket: WebSocket | undefined): void {
    if (socket === undefined || socket !== this.#current) return;
    this.#current = undefined;
    this.#socket = undefined;
    this.#failAll((method) => down(method, "the connection broke"));
    if (this.#openedAt > 0 && performance.now() - this.#openedAt > STEADY_MS) this.#failures = 0;
    this.#openedAt = 0;
    if (this.#closed || this.#init.onHead === undefined) return;
    const pause = Math.min(
      MAX_RECONNECT_MS,
      (this.#init.reconnectMinMs ?? 500) * 2 ** Math.min(this.#failures++, 10),
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        if (!this.#closed) this.#connected("connect").catch(() => {});
      },
      pause * (0.75 + Math.random() / 2),
    );
  }

  #failAll(failure: (method: string) => ChainError): void {
    for (const { method, answer } of this.#pending.values()) answer.reject(failure(method));
    this.#pending.clear();
  }
}

function opened(socket: WebSocket, signal: AbortSignal): Promise<void> {
  const open = new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve(), { once: true });
    const failed = () => reject(down("connect", "no connection"));
    socket.addEventListener("error", failed, { once: true });
    socket.addEventListener("close", failed, { once: true });
  });
  return orAborted(open, signal);
}

function down(method: string, reason: string): ChainError {
  return new ChainError({ code: "rpc_down", method, reason });
}

import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { RpcRequest } from "./faultProxy.ts";

/** The constant of RFC 6455 that shows a server knows what it agrees to. */
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A WebSocket server of JSON-RPC that answers what a test says, or worse. */
export class SocketServer {
  readonly #server: Server = createServer();
  readonly #sockets = new Set<Duplex>();
  /** Every request that arrived, in order. */
  requests: RpcRequest[] = [];
  connections = 0;
  url = "";
  /** The text to answer with; undefined: silence; "cut": the connection breaks. */
  answer: (request: RpcRequest) => string | undefined = () => undefined;

  async start(): Promise<this> {
    this.#server.on("upgrade", (request, socket) => {
      const key = createHash("sha1")
        .update(`${request.headers["sec-websocket-key"]}${MAGIC}`)
        .digest("base64");
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
      );
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      let buffer = Buffer.alloc(0);
      socket.on("data", (chunk: Buffer) => {
        buffer = this.#take(socket, Buffer.concat([buffer, chunk]));
      });
    });
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    this.url = `ws://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    return this;
  }

  /** Says something to everybody who is connected. */
  push(text: string): void {
    for (const socket of this.#sockets) socket.write(frame(text));
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  get open(): number {
    return this.#sockets.size;
  }

  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Takes whole frames off the front, and gives back the rest. */
  #take(socket: Duplex, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    let rest = bytes;
    for (let message = unframe(rest); message !== undefined; message = unframe(rest)) {
      rest = message.rest;
      if (message.opcode === 8) socket.end();
      if (message.opcode !== 1) continue;
      const request = JSON.parse(message.text) as RpcRequest;
      this.requests.push(request);
      const answer = this.answer(request);
      if (answer === "cut") socket.destroy();
      else if (answer !== undefined) socket.write(frame(answer));
    }
    return rest;
  }
}

/** A JSON-RPC answer. */
export function result(request: RpcRequest, value: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id: request.id, result: value });
}

function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(payload.length < 126 ? 2 : 10);
  head[0] = 0x81;
  if (payload.length < 126) head[1] = payload.length;
  else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** The first frame of what a client sent (always masked), or undefined while it is not all there. */
function unframe(
  bytes: Buffer<ArrayBuffer>,
): { opcode: number; text: string; rest: Buffer<ArrayBuffer> } | undefined {
  if (bytes.length < 6) return undefined;
  const short = bytes[1]! & 0x7f;
  const at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < at + 4) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < at + 4 + length) return undefined;
  const payload = bytes
    .subarray(at + 4, at + 4 + length)
    .map((byte, index) => byte ^ bytes[at + (index % 4)]!);
  return {
    opcode: bytes[0]! & 0x0f,
    text: Buffer.from(payload).toString(),
    rest: bytes.subarray(at + 4 + length),
  };
}

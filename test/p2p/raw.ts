import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { RIVULET_PROTOCOL } from "../../src/p2p/libp2p.ts";
import { type Address, addressOfPublicKey } from "../../src/protocol/address.ts";
import { Digests } from "../../src/protocol/digests.ts";
import { decodeMessage } from "../../src/wire/decode.ts";
import { encodeMessage } from "../../src/wire/encode.ts";
import { encodeFrames, FrameDecoder } from "../../src/wire/frame.ts";
import type { HelloMessage, Message } from "../../src/wire/message.ts";
import { CHAIN_ID, crypto, ESCROW, key, until } from "./harness.ts";

/** A peer that speaks libp2p but keeps to nothing above it. */

const nodes: Libp2p[] = [];

export async function stopRaw(): Promise<void> {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
}

export async function rawNode(index: number): Promise<Libp2p> {
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", key(index)),
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  nodes.push(node);
  return node;
}

export class RawStream {
  readonly received: Message[] = [];
  readonly stream: Stream;
  readonly connection: Connection;
  ended = false;

  constructor(stream: Stream, connection: Connection) {
    this.stream = stream;
    this.connection = connection;
    const decoder = new FrameDecoder();
    stream.addEventListener("message", ({ data }) => {
      const frames: Uint8Array[] = [];
      for (const chunk of data instanceof Uint8Array ? [data] : data) decoder.push(chunk, frames);
      for (const frame of frames) {
        const decoded = decodeMessage(frame);
        if (decoded.ok) this.received.push(decoded.message);
      }
    });
    const end = () => {
      this.ended = true;
    };
    stream.addEventListener("remoteCloseWrite", end);
    stream.addEventListener("close", end);
    if (stream.status !== "open") end();
  }

  send(...messages: Message[]): void {
    this.stream.send(encodeFrames(messages.map(encodeMessage)));
  }

  sendBytes(bytes: Uint8Array): boolean {
    return this.stream.send(bytes);
  }

  /** The first Hello of the host. */
  async hello(): Promise<HelloMessage> {
    await until("the host says Hello", () => this.received.length > 0);
    const [first] = this.received;
    if (first?.kind !== "hello") throw new Error(`a ${first?.kind} instead of a Hello`);
    return first;
  }

  /** The code with which the host ended the stream. */
  async refusal(ms?: number): Promise<string | undefined> {
    await until("the host ends the stream", () => this.ended, ms);
    const last = this.received.at(-1);
    return last?.kind === "error" ? last.code : undefined;
  }
}

export async function rawStream(node: Libp2p, address: string): Promise<RawStream> {
  const connection = await node.dial(multiaddr(address));
  return new RawStream(await connection.newStream(RIVULET_PROTOCOL), connection);
}

export function signerAt(index: number): Address {
  return addressOfPublicKey(crypto.ecdsa.publicKey(key(index)), crypto.keccak256);
}

/** A Hello of the raw peer `index`, without proof. */
export function helloFrom(index: number, change: Partial<HelloMessage> = {}): HelloMessage {
  return {
    kind: "hello",
    version: 1,
    features: [],
    chainId: CHAIN_ID,
    escrow: ESCROW,
    signer: signerAt(index),
    participant: signerAt(index),
    challenge: new Uint8Array(32).fill(index),
    proof: undefined,
    ...change,
  };
}

/** The proof that `node` speaks for signer `index`, over `challenge`. */
export function proofOf(node: Libp2p, index: number, challenge: Uint8Array, chainId = CHAIN_ID): Uint8Array {
  const digests = new Digests(chainId, ESCROW, crypto.keccak256);
  return crypto.ecdsa.sign(digests.hello(node.peerId.toMultihash().bytes, challenge), key(index));
}

/** An honest handshake of the raw peer `index`, to the end. */
export async function greet(raw: RawStream, node: Libp2p, index: number): Promise<void> {
  const first = helloFrom(index);
  raw.send(first);
  const { challenge } = await raw.hello();
  raw.send({ ...first, proof: proofOf(node, index, challenge) });
  await until("the host proves itself", () =>
    raw.received.some((message) => message.kind === "hello" && message.proof !== undefined),
  );
}

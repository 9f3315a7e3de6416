import { fileURLToPath } from "node:url";
import { createCrypto } from "../../src/crypto/create.ts";
import type { PeerError } from "../../src/p2p/error.ts";
import { createPeerHost, type PeerHost, type PeerHostInit } from "../../src/p2p/host.ts";
import type { PeerSession } from "../../src/p2p/session.ts";
import type { Address } from "../../src/protocol/address.ts";
import type { ChannelId } from "../../src/protocol/channel.ts";
import type { Message } from "../../src/wire/message.ts";

/** Hosts on loopback with everything they were told written down. */

export const crypto = await createCrypto({ prefer: "js" });
export const CHAIN_ID = 31337n;
export const ESCROW = `0x${"e5".repeat(20)}` as Address;
export const TCP = "/ip4/127.0.0.1/tcp/0";
export const WS = "/ip4/127.0.0.1/tcp/0/ws";

export function key(index: number): Uint8Array {
  return new Uint8Array(32).fill(index);
}

export interface TestHost {
  readonly host: PeerHost;
  readonly opened: PeerSession[];
  readonly closed: { session: PeerSession; reason: PeerError }[];
  readonly received: Message[];
  /** Sizes of the batches in which messages came. */
  readonly batches: number[];
  /** Whatever happens next wakes this up. */
  readonly address: string;
}

const running: PeerHost[] = [];

export async function startHost(
  index: number,
  change: Partial<PeerHostInit> & { onMessages?: (session: PeerSession, messages: Message[]) => void } = {},
): Promise<TestHost> {
  const opened: PeerSession[] = [];
  const closed: TestHost["closed"] = [];
  const received: Message[] = [];
  const batches: number[] = [];
  const host = await createPeerHost({
    peerSeed: key(index),
    signerKey: key(index),
    participant: `0x${index.toString(16).padStart(2, "0").repeat(20)}` as Address,
    chainId: CHAIN_ID,
    escrow: ESCROW,
    crypto,
    listen: [TCP],
    handlers: {
      onSession: (session) => opened.push(session),
      onMessages: (session, messages) => {
        batches.push(messages.length);
        for (const message of messages) received.push(message);
        change.onMessages?.(session, messages);
      },
      onSessionClosed: (session, reason) => closed.push({ session, reason }),
    },
    ...change,
  });
  running.push(host);
  await host.start();
  return { host, opened, closed, received, batches, address: host.addresses()[0]! };
}

export async function stopHosts(): Promise<void> {
  await Promise.all(running.splice(0).map((host) => host.stop()));
}

export const soon = (ms = 8_000) => ({ signal: AbortSignal.timeout(ms) });

/** Waits until `condition` holds; fails the test when it does not within the bound. */
export async function until(what: string, condition: () => boolean, ms = 8_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const channelId = `0x${"c1".repeat(32)}` as ChannelId;

export function ack(nonce: number): Message {
  return { kind: "ack", channelId, nonce: BigInt(nonce), chainTime: 0n };
}

export function update(nonce: number, entryBytes: number): Message {
  return {
    kind: "update",
    channelId,
    update: {
      proof: {
        nonce: BigInt(nonce),
        transferred: BigInt(nonce),
        locked: 0n,
        locksRoot: new Uint8Array(32),
        history: new Uint8Array(32).fill(nonce & 0xff),
        signature: new Uint8Array(65).fill(1),
      },
      entries: new Uint8Array(entryBytes).fill(nonce & 0xff),
      creditedSequence: 1n,
    },
  };
}

export function noncesOf(messages: readonly Message[]): number[] {
  return messages.map((message) => {
    if (message.kind === "ack") return Number(message.nonce);
    if (message.kind === "update") return Number(message.update.proof.nonce);
    throw new Error(`an unexpected ${message.kind}`);
  });
}

export const childPath = fileURLToPath(new URL("./child.ts", import.meta.url));

import { createServer } from "node:net";

const HOST = "127.0.0.1";

/** The chain's JSON-RPC, where wallets look for a local chain. */
export const RPC_PORT = 8_545;

/** The first node's peer port; its API is two above, as with a node of its own. Each further node is ten above. */
const PEER_PORT = 9_740;
const API_OFFSET = 2;
const NODE_STEP = 10;

export function peerPort(n: number): number {
  return PEER_PORT + n * NODE_STEP;
}

export function apiPort(n: number): number {
  return peerPort(n) + API_OFFSET;
}

/** `port` if nobody listens on it, otherwise 0: the system chooses. */
export function ifFree(port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(0));
    probe.listen(port, HOST, () => probe.close(() => resolve(port)));
  });
}

import { z } from "zod";
import { Address, Amount, Label, UnixSeconds } from "./common.ts";

export const NodeStatus = z
  .object({
    version: z.string(),
    /** `starting` while chain and database are looked through, `stopping` once a stop was asked for. */
    state: z.enum(["starting", "ready", "stopping"]),
    /** While it starts: what it waits for. */
    waitsFor: z.string().optional(),
    account: Address,
    signer: Address,
    peerId: z.string(),
    addresses: z.array(z.string()),
    chainId: z.string(),
    chainName: z.string().optional(),
    nativeSymbol: z.string(),
    escrow: Address,
    crypto: z.enum(["native", "js"]),
    chain: z.object({
      block: z.int(),
      blockTime: UnixSeconds,
      confirmedTime: UnixSeconds,
      /** Seconds between our clock and the newest block. */
      lagSeconds: z.int(),
      fresh: z.boolean(),
      /** The last outage as a code, while it lasts. */
      failure: z.string().optional(),
      confirmations: z.int(),
    }),
    /** What pays for gas. `enough` is whether it covers answering a dispute at today's price. */
    gasWallet: z.object({ balance: Amount, needed: Amount, enough: z.boolean() }),
    /** What the escrow keeps for the account because its payout was refused, the first hundred tokens. */
    payouts: z.array(z.object({ token: Address, amount: Amount })),
    peers: z.object({ connected: z.int(), known: z.int() }),
    channels: z.object({
      total: z.int(),
      open: z.int(),
      opening: z.int(),
      closing: z.int(),
      settled: z.int(),
    }),
    frozen: z.object({ since: UnixSeconds, reason: z.string() }).optional(),
  })
  .meta({ id: "NodeStatus" });
export type NodeStatus = z.infer<typeof NodeStatus>;

export const Peer = z
  .object({
    signer: Address,
    peerId: z.string().optional(),
    participant: Address.optional(),
    connected: z.boolean(),
    since: UnixSeconds.optional(),
    /** Where this node reaches it; kept over restarts when it was given by `connect`. */
    addresses: z.array(z.string()),
    kept: z.boolean(),
    channels: z.int(),
    /** Why the last session ended. */
    lastError: z.string().optional(),
  })
  .meta({ id: "Peer" });
export type Peer = z.infer<typeof Peer>;

export const ConnectBody = z.object({
  address: z
    .string()
    .startsWith("/")
    .max(512)
    .meta({ description: "Multiaddr that ends in /p2p/<peer id>." }),
});

/** A token as its contract describes itself; `warning` where it does not. */
export const TokenInfo = z
  .object({
    token: Address,
    symbol: z.string(),
    name: z.string().optional(),
    decimals: z.int().min(0).max(77),
    /** What this node's account holds outside of channels. */
    balance: Amount,
    warning: z.string().optional(),
  })
  .meta({ id: "TokenInfo" });
export type TokenInfo = z.infer<typeof TokenInfo>;

export const FreezeBody = z.object({ reason: Label.default("by hand") });

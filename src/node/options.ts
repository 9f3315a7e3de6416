import type { Logger } from "pino";
import type { FeePolicy } from "../chain/fees.ts";
import type { TlsIdentity } from "../p2p/peerHost.ts";
import { type Address, MAX_CHALLENGE_PERIOD } from "../protocol/index.ts";

/** What this node accepts from others; everything else is refused with a code. */
export interface OpenPolicy {
  /** Tokens channels may be in; the zero address is the native coin. Default: any. */
  readonly tokens?: readonly Address[];
  /** Seconds. Default 1 hour to 30 days; development chains may allow less. */
  readonly challengePeriod?: { readonly least: number; readonly most: number };
  /** Least the opener must deposit, in the token's base unit. Default 0. */
  readonly leastDeposit?: bigint;
  /**
   * Most this node deposits when the opener asks it to, per channel: in whatever token, or by token, and then nothing in
   * the others. Default 0: it only receives.
   */
  readonly mostMatchingDeposit?: bigint | Readonly<Partial<Record<Address, bigint>>>;
  /** Channels of one peer that wait for their first deposit. Default 16: each costs one record. */
  readonly pendingPerPeer?: number;
}

export interface NodeOptions {
  /** Where the database lives; one node per directory. */
  readonly directory: string;
  /** BIP-39; account, signer and peer identity derive from it. One mnemonic with one index must not run twice. */
  readonly mnemonic: string;
  /** Which of the mnemonic's accounts, as wallets count them. Default 0. */
  readonly accountIndex?: number;
  /**
   * JSON-RPC endpoint, or several of which the first healthy one is asked: http, https, ws or wss. Never logged, since
   * it may hold a key.
   */
  readonly rpcUrl: string | readonly string[];
  readonly chainId: bigint;
  readonly escrow: Address;
  /** The block the escrow was deployed in, where a new database starts reading. Default 0. */
  readonly escrowBlock?: number;
  /** Multiaddrs to listen on. Default `/ip4/127.0.0.1/tcp/0`. */
  readonly listen?: readonly string[];
  /** Multiaddrs to tell others instead, where those it listens on cannot be reached from outside. Default: those. */
  readonly announce?: readonly string[];
  /** Certificate chain and key, PEM, for the `/tls/ws` addresses it listens on: what pages in browsers dial. */
  readonly peerTls?: TlsIdentity;
  /** Blocks until a deposit counts. Default 12; 1 is for chains that mine on demand. */
  readonly confirmations?: number;
  /** Sign no payment while the newest block is older than this many seconds. Default 600; `"never"` for chains that mine on demand. */
  readonly staleAfter?: number | "never";
  /** What transactions may cost, wei per gas. Default: a ceiling of 200 gwei that rises tenfold towards a deadline. */
  readonly fees?: Partial<FeePolicy>;
  readonly policy?: OpenPolicy;
  /** Sign every payment by itself instead of covering a burst with one signature. Default false. */
  readonly signEach?: boolean;
  readonly log?: Logger;
  /** Ends a start that is under way; a node that has started is stopped by `stop`. */
  readonly signal?: AbortSignal;
  /** `"js"` forces pure-JS crypto. Default: native where it loads. */
  readonly crypto?: "native" | "js";
  /**
   * Records what happens (payments made final, channels, disputes) and indexes payments by time, for
   * `node.history`. `keep`: how many events, 1,000,000 if not given. Default: nothing is recorded.
   */
  readonly eventLog?: { readonly keep?: number };
  /**
   * A second place, on another disk or machine, for the newest incoming proof of every channel, at most a second old.
   * What a lost disk takes of the payments received since the last backup, `restoreBackup` finds there.
   */
  readonly proofCopy?: { readonly directory: string };
  /** Milliseconds between looks at the chain, least and most. Default 1,000 and 15,000. */
  readonly poll?: { readonly least: number; readonly most: number };
}

/** Of channels that others propose, seconds: in less than an hour a node that is restarted may not have answered a cheat. */
export const DEFAULT_CHALLENGE_PERIODS = { least: 3600, most: MAX_CHALLENGE_PERIOD };
export const DEFAULT_PENDING_PER_PEER = 16;
export const DEFAULT_CONFIRMATIONS = 12;
export const DEFAULT_STALE_AFTER = 600;

/** Events kept: at about 70 bytes, 70 MB and weeks of a busy node. */
export const DEFAULT_KEPT_EVENTS = 1_000_000;

/** Payments that may wait unsigned on one channel: at 34 bytes each about 240,000, seconds of work. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** Bytes of received, unprocessed updates per peer before its stream is paused. */
export const MAX_INBOX_BYTES = 4 * 1024 * 1024;

/** Updates signed, written and sent in one go: bounds how long the event loop is held (about 1 ms of signing). */
export const MAX_UPDATES_PER_TURN = 32;

/** How long an update beyond a gap may wait for what is missing. */
export const GAP_PATIENCE_MS = 5_000;

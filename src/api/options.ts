/** Where and how the API listens. */
export interface ApiOptions {
  /** An address or `localhost`. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 9742; 0 lets the system choose. */
  readonly port?: number;
  /** Certificate chain and key, PEM. */
  readonly tls?: { readonly certificate: string | Buffer; readonly key: string | Buffer };
  /** Listen beyond loopback without TLS: whoever sees the traffic has the access tokens. Default false. */
  readonly allowRemote?: boolean;
  /** Host names under which clients call, beside loopback names and addresses. */
  readonly hosts?: readonly string[];
  /** Origins of web pages that may call, for example `https://pay.example`. Default: only the API's own pages. */
  readonly origins?: readonly string[];
  /** Serve `/metrics` without an access token. Default false. */
  readonly metricsPublic?: boolean;
  readonly limits?: Partial<ApiLimits>;
}

/** Bounds of what clients can make the API hold or do. */
export interface ApiLimits {
  /**
   * Connections at once, about 20 KiB each. One caller holds three quarters of them at most; when all are taken, the
   * oldest on which no known caller has called gives way to the next.
   */
  readonly connections: number;
  /** Calls a second of one access token with all that were made from it, counted over ten seconds. */
  readonly callsPerSecond: number;
  /** Calls a second without an access token of one address, counted over ten seconds: pages, health, bad tokens. */
  readonly anonymousPerSecond: number;
  /** Event streams at once of one access token with all that were made from it. */
  readonly streamsPerToken: number;
  /** Milliseconds a call may take to arrive with its headers, and whole. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Milliseconds a connection is kept for a next call. */
  readonly keepAliveMs: number;
  /** Milliseconds a connection may be without a byte either way, whatever it waits for: its answer may be left unread. */
  readonly idleMs: number;
  /** Milliseconds a client may leave a stream unread before it is let go. */
  readonly stallMs: number;
  /** Milliseconds between signs of life on a quiet event stream. */
  readonly heartbeatMs: number;
  /** Milliseconds running calls are given when the node stops. */
  readonly stopMs: number;
  /** Milliseconds a payment waits for its peer. */
  readonly payMs: number;
}

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 9742;

export const DEFAULT_LIMITS: ApiLimits = {
  connections: 1_024,
  // Far above what a node pays through HTTP on one core: it stops a client gone wild, not a busy one.
  callsPerSecond: 20_000,
  anonymousPerSecond: 50,
  streamsPerToken: 16,
  headersMs: 10_000,
  requestMs: 20_000,
  keepAliveMs: 10_000,
  // Above what any call waits for: the longest are books and statements of millions of payments.
  idleMs: 300_000,
  stallMs: 30_000,
  heartbeatMs: 15_000,
  stopMs: 10_000,
  payMs: 30_000,
};

/** Largest body, bytes: a policy with limits for ten thousand peers is set in parts by nobody. */
export const MAX_BODY_BYTES = 64 * 1024;

/** Calls are counted over this many milliseconds. */
export const COUNT_WINDOW_MS = 10_000;

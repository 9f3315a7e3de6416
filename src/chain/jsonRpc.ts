import type { ChainFailure } from "./error.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Further attempts after an outage or a rate limit; a caller with its own loop passes 0. */
  readonly retries?: number;
}

/** Whatever answers JSON-RPC calls: one server over HTTP or WebSocket, or several that stand in for each other. */
export interface JsonRpc {
  /** The result of one call. Throws `ChainError` or the signal's reason. */
  call(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown>;
  /**
   * As `call`, about the state of a block, `params[1]`: what every server in use answers, one that has not that block of
   * its own newest; at least one. Absent where there is no other.
   */
  callEach?(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown[]>;
  /**
   * Says that what was answered last cannot be true. True if another server will be asked instead; absent where there is
   * no other.
   */
  doubt?(failure: ChainFailure): boolean;
}

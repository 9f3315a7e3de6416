/** What can go wrong between a node and the chain, as codes with fields. Amounts are in wei. */
export type ChainFailure =
  /** No answer, or none that is JSON-RPC: connection refused, timeout, HTTP 5xx. Worth another try. */
  | { readonly code: "rpc_down"; readonly method: string; readonly reason: string }
  /** HTTP 429 or JSON-RPC -32005. Worth another try, later. */
  | { readonly code: "rpc_rate_limited"; readonly method: string; readonly retryAfterMs: number | undefined }
  /** More results or blocks than the server gives at once: ask for less. */
  | { readonly code: "rpc_too_large"; readonly method: string; readonly reason: string }
  /** The server answered with an error of its own. `data` is a revert's data where there is one. */
  | {
      readonly code: "rpc_error";
      readonly method: string;
      readonly rpcCode: number;
      readonly reason: string;
      readonly data: string | undefined;
    }
  /** The answer has not the shape its method promises. */
  | { readonly code: "rpc_bad_answer"; readonly method: string; readonly reason: string }
  /** Two answers contradict each other: servers behind one address at different heads, or a reorganisation in between. */
  | { readonly code: "rpc_inconsistent"; readonly reason: string; readonly block: number }
  /** A head that no honest server gives. `known` and `told` are block numbers or timestamps, as the reason says. */
  | {
      readonly code: "rpc_lying_head";
      readonly reason: "went_back" | "deep_reorganisation" | "future" | "time_went_back" | "jumped";
      readonly known: number;
      readonly told: number;
    }
  | { readonly code: "wrong_chain"; readonly expected: bigint; readonly actual: bigint }
  /** `endpoint` counts from 1: the URL itself is not shown, since it may hold a key. */
  | { readonly code: "rpc_url_invalid"; readonly endpoint: number; readonly reason: string }
  | { readonly code: "fee_policy_invalid"; readonly field: string; readonly reason: string }
  | { readonly code: "contract_missing"; readonly address: string }
  /** The chain has no EIP-1559 base fee; the publisher signs nothing else. */
  | { readonly code: "fee_market_missing"; readonly block: number }
  /** A journal record whose checksum or shape does not hold. */
  | { readonly code: "journal_damaged"; readonly record: string; readonly reason: string };

export type ChainErrorCode = ChainFailure["code"];

/** Thrown by the chain room's edges; `failure` carries the code and its fields. */
export class ChainError extends Error {
  readonly code: ChainErrorCode;
  readonly failure: ChainFailure;

  constructor(failure: ChainFailure, options?: { cause?: unknown }) {
    super(describeFailure(failure), options);
    this.name = "ChainError";
    this.code = failure.code;
    this.failure = failure;
  }
}

/** One line for a log or a person; holds no URL, which may carry an access key. */
export function describeFailure(failure: ChainFailure): string {
  const fields = Object.entries(failure)
    .filter(([name, value]) => name !== "code" && value !== undefined)
    .map(([name, value]) => `${name} ${String(value)}`);
  return fields.length === 0 ? failure.code : `${failure.code}: ${fields.join(", ")}`;
}

/** The failure of a thrown value, or undefined when it is not the chain's (an abort, a bug). */
export function failureOf(error: unknown): ChainFailure | undefined {
  return error instanceof ChainError ? error.failure : undefined;
}

import { failureText } from "../protocol/failureText.ts";
/** Refusals of the API itself, with the fields that explain them. What stands behind it throws codes of its own. */
export interface ApiFailureFields {
  /** A part of the call is not what its schema says. `path` is where in it. */
  request_invalid: { part: string; path: string; reason: string };
  body_too_large: { limit: bigint };
  media_type_unsupported: { expected: string };
  request_timeout: Record<never, never>;
  idempotency_key_missing: Record<never, never>;
  idempotency_key_invalid: Record<never, never>;
  /** The key was used for something else before. */
  idempotency_conflict: { reason: string };
  unauthenticated: Record<never, never>;
  scope_missing: { scope: string };
  /** A token gets no more than the one it is made with; `part` is what it asked too much of. */
  grant_refused: { part: string; reason: string };
  too_many_access_tokens: { limit: bigint };
  host_refused: { host: string };
  cross_site_refused: { origin: string };
  rate_limited: { retryAfterSeconds: bigint };
  route_unknown: Record<never, never>;
  method_not_allowed: { allowed: string };
  not_found: { what: string; id: string };
  not_available: { what: string };
  cursor_invalid: Record<never, never>;
  /** What the cursor points at is no longer kept: begin anew. */
  cursor_expired: { oldest: string };
  too_many_streams: { limit: bigint };
  too_many_operations: { limit: bigint };
  operation_running: { operationId: string };
  /** It may have been carried out before the database lost data, or was restored. */
  operation_uncertain: { operationId: string };
  no_channel: { peer: string; token: string };
  /** The peer did not come back while the call waited; nothing was signed. */
  peer_away: { peer: string; waitedSeconds: bigint };
  /** Signed and not acknowledged while the call waited. */
  payment_pending: { channelId: string; paymentId: string };
  /** Whoever asks for the keys has to know the password that keeps them. */
  keystore_password_wrong: Record<never, never>;
  /** `reason` is the keystore's code, or `foreign`: its keys are not this node's. */
  keystore_unusable: { reason: string };
  timed_out: Record<never, never>;
  remote_refused: { host: string };
  option_invalid: { option: string; reason: string };
  address_in_use: { address: string };
  api_stopping: Record<never, never>;
  node_starting: { waitsFor: string; retryAfterSeconds: bigint };
  internal_error: Record<never, never>;
}

export type ApiErrorCode = keyof ApiFailureFields;

type ApiFailure = {
  [Code in ApiErrorCode]: { readonly code: Code; readonly fields: ApiFailureFields[Code] };
}[ApiErrorCode];

/** A refusal of the API: a stable `code` and the `fields` that explain it. `problems.ts` says what it means to people. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly fields: Readonly<Record<string, string | bigint>>;

  constructor(failure: ApiFailure, options?: ErrorOptions) {
    super(failureText(failure), options);
    this.code = failure.code;
    this.fields = failure.fields;
  }
}

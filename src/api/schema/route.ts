import type { z } from "zod";
import type { RouteScope } from "./accessToken.ts";

/** One call of the API. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly summary: string;
  /** What an access token must allow. */
  readonly scope: RouteScope;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Moves money: asks for an `Idempotency-Key`; the same key again is the same call. */
  readonly idempotent?: true;
  /** Answered before the node has started; all others are `node_starting` then. */
  readonly whileStarting?: true;
  readonly status: 200 | 201 | 202 | 204;
  /** Absent: no JSON, see `produces`. */
  readonly response?: z.ZodType;
  /** Media types of an answer that is a stream. */
  readonly produces?: readonly string[];
}

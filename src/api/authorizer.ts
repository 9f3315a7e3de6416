import type { Caller } from "./caller.ts";
import { ApiError } from "./error.ts";
import type { RouteScope } from "./schema/accessToken.ts";

/** Says who is behind an access token's secret. */
export interface Authorizer {
  /**
   * Throws `unauthenticated` for a secret that is none, has expired or was revoked, and `scope_missing` for one that
   * does not allow `scope`. Must take as long for a wrong secret as for a right one.
   */
  authorize(secret: string, scope: RouteScope): Caller | Promise<Caller>;
}

/** Longer than any secret of ours; nothing longer is hashed. */
const MAX_SECRET_LENGTH = 256;

/** RFC 6750: one space, and a token of letters, digits and a few signs. */
const BEARER = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/** The secret of an `Authorization` header. Throws `unauthenticated` where there is none. */
export function bearerOf(header: string | undefined): string {
  const secret = header === undefined ? undefined : BEARER.exec(header)?.[1];
  if (secret === undefined || secret.length > MAX_SECRET_LENGTH) {
    throw new ApiError({ code: "unauthenticated", fields: {} });
  }
  return secret;
}

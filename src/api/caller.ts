import type { Spender } from "../node/limits/spender.ts";
import type { Scope } from "./schema/accessToken.ts";

/** Who calls: what its access token is and may do. */
export interface Caller {
  readonly accessTokenId: string;
  readonly scopes: readonly Scope[];
  /** Whose budgets its payments spend. */
  readonly spender: Spender;
}

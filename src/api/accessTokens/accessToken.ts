import { BUDGET_CAPS, type Budget, capsAsText, capsOfText } from "../../node/limits/caps.ts";
import type { Spender } from "../../node/limits/spender.ts";
import type { Caller } from "../caller.ts";
import { ApiError } from "../error.ts";
import type { Scope } from "../schema/accessToken.ts";
import { type Grant, withImplied } from "./grant.ts";

/** On disk, under its id. JSON has no bigints: amounts are decimal strings. */
export interface StoredToken extends Omit<Grant, "budgets"> {
  readonly id: string;
  readonly parent?: string | undefined;
  /** SHA-256 of the secret, base64url. The secret itself is nowhere. */
  readonly hash: string;
  readonly budgets?: readonly ({ readonly [Cap in (typeof BUDGET_CAPS)[number]]?: string } & {
    readonly token: Budget["token"];
  })[];
  /** Unix seconds. */
  readonly createdAt: number;
  readonly lastUsedAt?: number | undefined;
  readonly revokedAt?: number | undefined;
}

interface TokenParts {
  readonly id: string;
  readonly hash: string;
  readonly grant: Grant;
  readonly parent: AccessToken | undefined;
  readonly createdAt: number;
  readonly lastUsedAt?: number | undefined;
  readonly revokedAt?: number | undefined;
}

/** One access token in memory. It ends with any it was made from. */
export class AccessToken {
  readonly id: string;
  /** Of its secret; empty: no secret opens it. */
  hash: string;
  readonly grant: Grant;
  readonly parent: AccessToken | undefined;
  readonly createdAt: number;
  /** How many tokens it is made from, one after the other. */
  readonly depth: number;
  /** With the implied ones. */
  readonly scopes: readonly Scope[];
  /** Made once: most calls need nothing else. */
  readonly caller: Caller;
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;

  constructor(parts: TokenParts) {
    this.id = parts.id;
    this.hash = parts.hash;
    this.grant = parts.grant;
    this.parent = parts.parent;
    this.createdAt = parts.createdAt;
    this.lastUsedAt = parts.lastUsedAt;
    this.revokedAt = parts.revokedAt;
    this.depth = parts.parent === undefined ? 0 : parts.parent.depth + 1;
    this.scopes = withImplied(parts.grant.scopes);
    this.caller = { accessTokenId: this.id, scopes: this.scopes, spender: spenderOf(this) };
  }

  get isAdmin(): boolean {
    return this.scopes.includes("admin");
  }

  /** This one and those it was made from, innermost first. */
  *line(): Generator<AccessToken> {
    for (let one: AccessToken | undefined = this; one !== undefined; one = one.parent) yield one;
  }

  isWithin(ancestor: AccessToken): boolean {
    for (const one of this.line()) if (one === ancestor) return true;
    return false;
  }

  /** When it or one it was made from ended, Unix seconds; undefined while it lives. `now`: Unix seconds. */
  endedAt(now: number): number | undefined {
    let ended: number | undefined;
    for (const { revokedAt, grant } of this.line()) {
      const expired = grant.expiresAt !== undefined && grant.expiresAt <= now ? grant.expiresAt : undefined;
      // Revoked is revoked, also by a clock that was set back.
      for (const end of [revokedAt, expired]) {
        if (end !== undefined && (ended === undefined || end < ended)) ended = end;
      }
    }
    return ended;
  }

  store(): StoredToken {
    const { id, hash, parent, createdAt, lastUsedAt, revokedAt, grant } = this;
    const { budgets, ...rest } = grant;
    const written = budgets?.map(({ token, ...caps }) => ({ token, ...capsAsText(BUDGET_CAPS, caps) }));
    return {
      ...rest,
      id,
      hash,
      createdAt,
      lastUsedAt,
      revokedAt,
      parent: parent?.id,
      ...(written && { budgets: written }),
    };
  }

  static load(stored: StoredToken, parent: AccessToken | undefined): AccessToken {
    const { id, hash, createdAt, lastUsedAt, revokedAt, name, scopes, expiresAt, payees } = stored;
    const budgets = stored.budgets?.map(({ token, ...caps }) => ({
      token,
      ...capsOfText(BUDGET_CAPS, caps),
    }));
    const grant: Grant = { name, scopes, expiresAt, payees, budgets };
    return new AccessToken({ id, hash, grant, parent, createdAt, lastUsedAt, revokedAt });
  }
}

function spenderOf(token: AccessToken): Spender {
  const { payees, budgets } = token.grant;
  return {
    id: token.id,
    answersAs: answererOf(token).id,
    parent: token.parent?.caller.spender,
    payees: payees && new Set(payees),
    budgets,
    assertLive: () => {
      if (token.endedAt(Math.floor(Date.now() / 1000)) === undefined) return;
      throw new ApiError({ code: "unauthenticated", fields: {} });
    },
  };
}

/** The one an owner gave out: its holder made the others, and gains nothing by having many. */
function answererOf(token: AccessToken): AccessToken {
  let answerer = token;
  for (const one of token.line()) {
    if (one.isAdmin) break;
    answerer = one;
  }
  return answerer;
}

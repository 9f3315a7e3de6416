import { AccessToken, type StoredToken } from "./accessToken.ts";
import type { Grant } from "./grant.ts";

/** Access tokens altogether, ended ones included: about 1 KiB each, more with many payees. */
export const MAX_TOKENS = 10_000;

/** Made from one token that is no admin, directly or not: a stolen one cannot take everybody's room. */
export const MAX_DESCENDANTS = 1_000;

/** Payees and budgets named by all of these together: about 200 bytes each, whatever the scopes of those naming them. */
export const MAX_NAMED = 10_000;

/** An ended token is kept at least so long, seconds: whatever it had under way is over by then. */
const KEPT_SECONDS = 3_600;

/** Who has no room for one more; nobody: the node as a whole. */
interface Crowd {
  readonly within: AccessToken | undefined;
  readonly of: "tokens" | "named";
  readonly limit: number;
}

/** Which tokens there are, and which were made from which. */
export class TokenTree {
  readonly #byId = new Map<string, AccessToken>();
  readonly #byHash = new Map<string, AccessToken>();
  /** How many were made from it, directly or not, and how many payees and budgets those name. */
  readonly #descendants = new Map<AccessToken, { readonly tokens: number; readonly named: number }>();

  /** Tokens whose parent is not there are left out: without it nobody could say what it allows. */
  static load(stored: ReadonlyMap<string, StoredToken>): TokenTree {
    const tree = new TokenTree();
    const load = (id: string, depth: number): AccessToken | undefined => {
      const known = tree.#byId.get(id);
      const record = stored.get(id);
      if (known !== undefined || record === undefined || depth > MAX_TOKENS) return known;
      const parent = record.parent === undefined ? undefined : load(record.parent, depth + 1);
      if (record.parent !== undefined && parent === undefined) return undefined;
      const token = AccessToken.load(record, parent);
      tree.add(token);
      return token;
    };
    for (const id of stored.keys()) load(id, 0);
    return tree;
  }

  get(id: string): AccessToken | undefined {
    return this.#byId.get(id);
  }

  byHash(hash: string): AccessToken | undefined {
    return this.#byHash.get(hash);
  }

  all(): IterableIterator<AccessToken> {
    return this.#byId.values();
  }

  add(token: AccessToken): void {
    this.#byId.set(token.id, token);
    this.#byHash.set(token.hash, token);
    this.#count(token, 1);
  }

  rehash(token: AccessToken, hash: string): void {
    this.#byHash.delete(token.hash);
    token.hash = hash;
    this.#byHash.set(hash, token);
  }

  remove(token: AccessToken): void {
    if (!this.#byId.delete(token.id)) return;
    this.#byHash.delete(token.hash);
    this.#count(token, -1);
    this.#descendants.delete(token);
  }

  /** Who has no room for one more made from `parent`, with `grant`; undefined if all have. */
  crowdedBy(parent: AccessToken, grant: Grant): Crowd | undefined {
    if (this.#byId.size >= MAX_TOKENS) return { within: undefined, of: "tokens", limit: MAX_TOKENS };
    for (const one of parent.line()) {
      if (one.isAdmin) continue;
      const { tokens, named } = this.#descendants.get(one) ?? NONE;
      if (tokens >= MAX_DESCENDANTS) return { within: one, of: "tokens", limit: MAX_DESCENDANTS };
      if (named + namedBy(grant) > MAX_NAMED) return { within: one, of: "named", limit: MAX_NAMED };
    }
    return undefined;
  }

  /**
   * The one that ended first and may be forgotten. Those with `admin` are not: their secret may lie in the file of the
   * first token, and must not open anything again.
   */
  longestEnded(within: AccessToken | undefined, now: number): AccessToken | undefined {
    let found: { readonly token: AccessToken; readonly ended: number } | undefined;
    for (const token of this.#byId.values()) {
      const ended = token.endedAt(now);
      if (ended === undefined || ended > now - KEPT_SECONDS || token.isAdmin || token === within) continue;
      if (within !== undefined && !token.isWithin(within)) continue;
      if (found === undefined || ended < found.ended) found = { token, ended };
    }
    return found?.token;
  }

  /** Innermost last. */
  withDescendants(token: AccessToken): AccessToken[] {
    return [...this.#byId.values()].filter((one) => one.isWithin(token)).sort((a, b) => a.depth - b.depth);
  }

  #count(token: AccessToken, by: 1 | -1): void {
    if (token.parent === undefined) return;
    for (const one of token.parent.line()) {
      const { tokens, named } = this.#descendants.get(one) ?? NONE;
      this.#descendants.set(one, { tokens: tokens + by, named: named + by * namedBy(token.grant) });
    }
  }
}

const NONE = { tokens: 0, named: 0 };

function namedBy({ payees = [], budgets = [] }: Grant): number {
  return payees.length + budgets.length;
}

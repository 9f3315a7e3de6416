import { hash, randomBytes } from "node:crypto";
import { MAX_SPENDER_DEPTH } from "../../node/limits/spender.ts";
import type { Records } from "../../node/records.ts";
import type { Authorizer } from "../authorizer.ts";
import type { Caller } from "../caller.ts";
import { ApiError } from "../error.ts";
import type { RouteScope } from "../schema/accessToken.ts";
import { AccessToken, type StoredToken } from "./accessToken.ts";
import { readSecret, writeSecret } from "./adminFile.ts";
import { excessOver, flawOf, type Grant } from "./grant.ts";
import { TokenTree } from "./tokenTree.ts";

const NAMESPACE = "access-token";
/** How many losses the database had had when secrets were last looked at. */
const LOSSES = { namespace: "access-token-losses", key: "newest" } as const;
const PREFIX = "rvk_";
const SECRET_BYTES = 32;
const SECRET = /^rvk_[A-Za-z0-9_-]{43}$/;

/** How exactly it is kept when a token was last used, seconds: a write per call would cost more than the call. */
const USED_PRECISION = 60;

interface AccessTokensInit {
  readonly records: Records;
  /** Told of a token that is forgotten for good, so that what was counted for it can be forgotten too. */
  readonly onForgotten?: (id: string) => Promise<void>;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** The node's access tokens: who may do what, and whose budget is spent. All are in memory. */
export class AccessTokens implements Authorizer {
  readonly #records: Records;
  readonly #onForgotten: (id: string) => Promise<void>;
  readonly #now: () => number;
  readonly #tree: TokenTree;
  /** Used since that was last written. */
  readonly #used = new Set<AccessToken>();
  readonly #timer: NodeJS.Timeout;

  private constructor({ records, onForgotten, now = Date.now }: AccessTokensInit, tree: TokenTree) {
    this.#records = records;
    this.#onForgotten = onForgotten ?? (async () => {});
    this.#now = now;
    this.#tree = tree;
    // When a token was last used is not worth a failure: the next turn writes it.
    this.#timer = setInterval(() => void this.flush().catch(() => {}), USED_PRECISION * 1000).unref();
  }

  static async open(init: AccessTokensInit): Promise<AccessTokens> {
    const stored = new Map<string, StoredToken>();
    for await (const { key, value } of init.records.list<StoredToken>(NAMESPACE)) stored.set(key, value);
    return new AccessTokens(init, TokenTree.load(stored));
  }

  /**
   * Who is behind a secret. Throws `unauthenticated` for one that is none or has ended, with any it was made from;
   * `scope_missing` for one that does not allow `scope`. What is looked up is a hash: how long that takes tells
   * nothing of any secret.
   */
  authorize(secret: string, scope: RouteScope): Caller {
    const token = this.#tree.byHash(hashOf(secret));
    const now = this.#seconds();
    if (token === undefined || token.endedAt(now) !== undefined) {
      throw new ApiError({ code: "unauthenticated", fields: {} });
    }
    if (scope !== "any" && !token.scopes.includes(scope))
      throw new ApiError({ code: "scope_missing", fields: { scope } });
    if (now - (token.lastUsedAt ?? 0) >= USED_PRECISION) {
      token.lastUsedAt = now;
      this.#used.add(token);
    }
    return token.caller;
  }

  /**
   * Makes a token from the caller's, with no more than that one has; its secret is told this once. Durable when it
   * resolves. Throws `grant_refused` and `too_many_access_tokens`.
   */
  async create(
    caller: Caller,
    grant: Grant,
  ): Promise<{ readonly token: AccessToken; readonly secret: string }> {
    const parent = this.#live(caller.accessTokenId);
    const flaw = flawOf(grant, this.#seconds());
    if (flaw !== undefined) throw new ApiError({ code: "grant_refused", fields: { ...flaw } });
    for (const ancestor of parent.line()) {
      const excess = excessOver(ancestor.grant, grant);
      if (excess !== undefined) throw new ApiError({ code: "grant_refused", fields: { ...excess } });
    }
    if (parent.depth + 1 >= MAX_SPENDER_DEPTH) throw tooMany(MAX_SPENDER_DEPTH);
    await this.#makeRoom(parent, grant);
    // From here to where it is counted nothing else happens.
    const crowded = this.#tree.crowdedBy(parent, grant);
    if (crowded?.of === "named") throw tooManyNamed(crowded.limit);
    if (crowded !== undefined) throw tooMany(crowded.limit);
    return this.#make(grant, this.#live(parent.id));
  }

  /**
   * Ends a token and all made from it, from this call on; durable when it resolves. A token may end itself (`self`) and
   * those made from it, an admin any. Throws `not_found`, also for what the caller may not know of.
   */
  async revoke(caller: Caller, id: string): Promise<void> {
    const token = this.get(caller, id === "self" ? caller.accessTokenId : id);
    token.revokedAt ??= this.#seconds();
    await this.#write(token, true);
  }

  /** Throws `not_found` for what does not exist and for what is not the caller's. */
  get(caller: Caller, id: string): AccessToken {
    const token = this.#tree.get(id);
    if (token === undefined || !this.isOwn(caller, id)) {
      throw new ApiError({ code: "not_found", fields: { what: "access token", id } });
    }
    return token;
  }

  /** All the caller may know of, oldest first: for an admin every one, for others itself and those made from it. */
  list(caller: Caller): AccessToken[] {
    return [...this.#tree.all()]
      .filter(({ id }) => this.isOwn(caller, id))
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** Whether what concerns the token `id` is the caller's to see: its own, of one made from it, or it is an admin. */
  isOwn(caller: Caller, id: string | undefined): boolean {
    if (caller.scopes.includes("admin")) return true;
    const [token, own] = [
      id === undefined ? undefined : this.#tree.get(id),
      this.#tree.get(caller.accessTokenId),
    ];
    return token !== undefined && own !== undefined && token.isWithin(own);
  }

  /**
   * Sees to it that `path` holds the secret of a live admin token, and returns that. A secret that is there and was
   * never a token becomes one; otherwise a new one is written, which only the owner may read. `losses`: how many the
   * database has had; after another one no other secret with `admin` opens anything.
   */
  async ensureAdmin(path: string, losses = 0): Promise<string> {
    const found = await readSecret(path);
    await this.#disarm(losses, found);
    if (found !== undefined && SECRET.test(found)) {
      const token = this.#tree.byHash(hashOf(found));
      if (token === undefined) return (await this.#make(ADMIN, undefined, found)).secret;
      if (token.isAdmin && token.endedAt(this.#seconds()) === undefined) return found;
    }
    const { secret } = (await this.#rearm()) ?? (await this.#make(ADMIN, undefined));
    await writeSecret(path, secret);
    return secret;
  }

  /**
   * After a restore what was revoked since the backup lives again, and with `admin` it could thaw what is frozen for it.
   * So no secret opens these any more, but for the one in the owner's file; what was made from them goes on.
   */
  async #disarm(losses: number, kept: string | undefined): Promise<void> {
    const { namespace, key } = LOSSES;
    if (((await this.#records.get<number>(namespace, key)) ?? 0) === losses) return;
    const own = kept === undefined ? undefined : hashOf(kept);
    for (const token of this.#tree.all()) {
      if (!token.isAdmin || token.hash === own) continue;
      this.#tree.rehash(token, "");
      await this.#write(token, true);
    }
    await this.#records.put(namespace, key, losses, { sync: true });
  }

  /** Gives the owner's token that no secret opens a new one: it stays the same, and its Idempotency-Keys with it. */
  async #rearm(): Promise<{ readonly secret: string } | undefined> {
    const isOwners = ({ hash, parent, isAdmin }: AccessToken) =>
      hash === "" && parent === undefined && isAdmin;
    const [token] = [...this.#tree.all()]
      .filter((one) => isOwners(one) && one.endedAt(this.#seconds()) === undefined)
      .sort((a, b) => b.createdAt - a.createdAt);
    if (token === undefined) return undefined;
    const secret = newSecret();
    this.#tree.rehash(token, hashOf(secret));
    await this.#write(token, true);
    return { secret };
  }

  /** Writes when tokens were last used; not synced, since nothing depends on it. */
  async flush(): Promise<void> {
    const used = [...this.#used];
    this.#used.clear();
    for (const token of used) if (this.#tree.get(token.id) === token) await this.#write(token, false);
  }

  /** Ends the writing of uses; what is known is written before. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush().catch(() => {});
  }

  /** Throws `unauthenticated`: it may have ended while the caller's body was still on its way. */
  #live(id: string): AccessToken {
    const token = this.#tree.get(id);
    if (token !== undefined && token.endedAt(this.#seconds()) === undefined) return token;
    throw new ApiError({ code: "unauthenticated", fields: {} });
  }

  async #make(grant: Grant, parent: AccessToken | undefined, given?: string) {
    const secret = given ?? newSecret();
    const id = randomBytes(9).toString("base64url");
    const createdAt = this.#seconds();
    const token = new AccessToken({ id, hash: hashOf(secret), grant, parent, createdAt });
    // Counted before it is written, so that many at once cannot pass the bound together; its secret is told after.
    this.#tree.add(token);
    try {
      await this.#write(token, true);
    } catch (error) {
      this.#tree.remove(token);
      throw error;
    }
    return { token, secret };
  }

  /** Ended ones make room, the longest ended first. */
  async #makeRoom(parent: AccessToken, grant: Grant): Promise<void> {
    for (;;) {
      const crowded = this.#tree.crowdedBy(parent, grant);
      const victim = crowded && this.#tree.longestEnded(crowded.within, this.#seconds());
      if (victim === undefined) return;
      // Made from it after it: a crash in between leaves orphans, which open nothing.
      for (const token of this.#tree.withDescendants(victim)) {
        this.#tree.remove(token);
        this.#used.delete(token);
        await this.#records.delete(NAMESPACE, token.id, { sync: false });
        await this.#onForgotten(token.id);
      }
    }
  }

  #write(token: AccessToken, sync: boolean): Promise<void> {
    return this.#records.put(NAMESPACE, token.id, token.store(), { sync });
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }
}

const ADMIN: Grant = { name: "admin", scopes: ["admin"] };

function newSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

function hashOf(secret: string): string {
  return hash("sha256", secret, "base64url");
}

function tooManyNamed(limit: number): ApiError {
  const reason = `at most ${limit} are named by all that are made from one token`;
  return new ApiError({ code: "grant_refused", fields: { part: "payees and budgets", reason } });
}

function tooMany(limit: number): ApiError {
  return new ApiError({ code: "too_many_access_tokens", fields: { limit: BigInt(limit) } });
}

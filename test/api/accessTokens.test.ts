import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AccessTokens } from "../../src/api/accessTokens/accessTokens.ts";
import { excessOver, type Grant } from "../../src/api/accessTokens/grant.ts";
import { MAX_DESCENDANTS, MAX_NAMED } from "../../src/api/accessTokens/tokenTree.ts";
import type { Caller } from "../../src/api/caller.ts";
import type { Scope } from "../../src/api/schema/accessToken.ts";
import { answererOf, lineOf } from "../../src/node/limits/spender.ts";
import { Records } from "../../src/node/records.ts";
import type { Address } from "../../src/protocol/index.ts";
import { type Database, openDatabaseOn } from "../../src/store/database.ts";
import { MemoryMark, newMarkState } from "../../src/store/mark.ts";
import { MemoryStore } from "../../src/store/memoryStore.ts";
import { SCHEMA } from "../../src/store/migration.ts";
import { PowerLossStore } from "../../src/store/powerLossStore.ts";

const seed = Number(process.env.RIVULET_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`access tokens: RIVULET_SEED=${seed}`);

const address = (digit: string) => `0x${digit.repeat(40)}` as Address;
const [token, other] = [address("1"), address("2")];

let now: number;
let disk: MemoryStore;
let mark: MemoryMark;
let database: Database;
let power: PowerLossStore | undefined;
let tokens: AccessTokens;
let folder: string;
let file: string;
let forgotten: string[];

async function open(losesPower = false): Promise<AccessTokens> {
  power = losesPower ? new PowerLossStore(disk, { seed }) : undefined;
  database = await openDatabaseOn({ store: power ?? disk, mark, name: "memory", syncAfterMs: 60_000 });
  const records = new Records(database.store, database.committer);
  tokens = await AccessTokens.open({
    records,
    now: () => now,
    onForgotten: async (id) => void forgotten.push(id),
  });
  return tokens;
}

async function reopen(): Promise<AccessTokens> {
  await tokens.stop();
  await database.committer.flush();
  return open();
}

beforeEach(async () => {
  now = 1_800_000_000_000;
  disk = new MemoryStore();
  mark = new MemoryMark(newMarkState(SCHEMA.version));
  forgotten = [];
  folder = await mkdtemp(join(tmpdir(), "rivulet-tokens-"));
  file = join(folder, "data", "admin.token");
  await open();
});
afterEach(async () => {
  await tokens.stop();
  await database.close().catch(() => {});
  await rm(folder, { recursive: true });
});

const seconds = () => Math.floor(now / 1000);
const admin = async () => tokens.authorize(await tokens.ensureAdmin(file), "admin");
const pay: Grant = { name: "pay", scopes: ["pay"] };
const code = (name: string) => expect.objectContaining({ code: name });

async function child(of: Caller, grant: Partial<Grant> = {}): Promise<{ caller: Caller; secret: string }> {
  const { token, secret } = await tokens.create(of, { ...pay, ...grant });
  return { caller: token.caller, secret };
}

const allows = (secret: string, scope: Scope) => {
  try {
    tokens.authorize(secret, scope);
    return "yes";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("a secret", () => {
  it("is long, random, shown once, and nowhere on disk", async () => {
    const { secret } = await child(await admin());
    expect(secret).toMatch(/^rvk_[A-Za-z0-9_-]{43}$/);
    await database.committer.flush();
    const written: string[] = [];
    for await (const [, value] of disk.range({ gte: new Uint8Array(0), lt: new Uint8Array([255]) })) {
      written.push(Buffer.from(value).toString("latin1"));
    }
    expect(written.join()).toContain('"hash"');
    expect(written.join()).not.toContain(secret.slice(4));
  });

  it("opens what its scopes say, over a restart, and nothing for anybody who guesses", async () => {
    const one = await child(await admin(), { scopes: ["pay", "receive"] });
    await reopen();
    expect(["read", "receive", "pay", "admin"].map((scope) => allows(one.secret, scope as Scope))).toEqual([
      "scope_missing",
      "yes",
      "yes",
      "scope_missing",
    ]);
    for (const guess of ["", "rvk_", one.secret.slice(0, -1), `${one.secret}A`, one.caller.accessTokenId]) {
      expect(allows(guess, "pay")).toBe("unauthenticated");
    }
  });
});

describe("a token", () => {
  it("ends at its expiry and with each it was made from, over a restart too", async () => {
    const root = await admin();
    const parent = await child(root, { expiresAt: seconds() + 100 });
    const one = await child(parent.caller);
    expect(allows(one.secret, "pay")).toBe("yes");
    now += 100_000;
    expect(allows(one.secret, "pay")).toBe("unauthenticated");
    now -= 100_000;
    const grandchild = await child(one.caller);
    await tokens.revoke(root, parent.caller.accessTokenId);
    expect([parent, one, grandchild].map(({ secret }) => allows(secret, "pay"))).toEqual(
      Array(3).fill("unauthenticated"),
    );
    await reopen();
    now -= 1_000_000_000; // a clock that was set back does not bring it to life
    expect(allows(grandchild.secret, "pay")).toBe("unauthenticated");
    await expect(tokens.create(parent.caller, pay)).rejects.toThrow(code("unauthenticated"));
  });

  it("whose parent is lost opens nothing", async () => {
    const parent = await child(await admin());
    const one = await child(parent.caller);
    await new Records(database.store, database.committer).delete(
      "access-token",
      parent.caller.accessTokenId,
      { sync: true },
    );
    await reopen();
    expect(allows(one.secret, "pay")).toBe("unauthenticated");
  });

  it("is durable before its secret is told, and its end before it is acknowledged", async () => {
    await reopen().then(() => open(true));
    const root = await admin();
    const ended = await child(root);
    await tokens.revoke(root, ended.caller.accessTokenId);
    // Last: nothing written after it makes it durable by the way.
    const kept = await child(root);
    await power!.crash();
    await tokens.stop();
    await open();
    expect([kept, ended].map(({ secret }) => allows(secret, "pay"))).toEqual(["yes", "unauthenticated"]);
  });

  it("tells when it was last used, to the minute", async () => {
    const root = await admin();
    const one = await child(root);
    const used = () => tokens.get(root, one.caller.accessTokenId).lastUsedAt;
    expect(used()).toBeUndefined();
    tokens.authorize(one.secret, "pay");
    const first = used();
    now += 30_000;
    tokens.authorize(one.secret, "pay");
    expect(used()).toBe(first);
    now += 40_000;
    tokens.authorize(one.secret, "pay");
    await reopen();
    expect(used()).toBe(first! + 70);
  });
});

describe("a token made from another", () => {
  const budgets = [{ token, perDay: 100n, total: 500n }];

  it.each<[string, Partial<Grant>, string]>([
    ["more scopes", { scopes: ["pay", "receive"] }, "scopes"],
    ["admin", { scopes: ["admin"] }, "scopes"],
    ["a later end", { expiresAt: 1_800_000_101 }, "expiresAt"],
    ["an end that is over", { expiresAt: 1_800_000_000 }, "expiresAt"],
    ["another payee", { payees: [address("a"), address("c")] }, "payees"],
    ["another token", { budgets: [{ token: other, total: 1n }] }, "budgets"],
    ["a greater budget", { budgets: [{ token, total: 501n }] }, "budgets"],
    ["a greater budget per day", { budgets: [{ token, perDay: 101n, total: 1n }] }, "budgets"],
    ["two budgets of one token", { budgets: [...budgets, ...budgets] }, "budgets"],
  ])("gets no %s, from its parent nor its grandparent", async (_, asked, part) => {
    const grant = { expiresAt: seconds() + 100, payees: [address("a"), address("b")], budgets };
    const parent = await child(await admin(), grant);
    const refused = expect.objectContaining({
      code: "grant_refused",
      fields: expect.objectContaining({ part }),
    });
    await expect(child(parent.caller, asked)).rejects.toThrow(refused);
    // A level that limits nothing by itself lets nothing through.
    const open = await child(parent.caller);
    await expect(child(open.caller, asked)).rejects.toThrow(refused);
    await child(open.caller, { ...grant, payees: [address("b")], expiresAt: seconds() + 99 });
  });

  it("spends through every level, whose budgets and payees the gate asks", async () => {
    const parent = await child(await admin(), { budgets, payees: [address("a")] });
    const one = await child(parent.caller);
    await reopen();
    const line = [...lineOf(tokens.authorize(one.secret, "pay").spender)];
    expect(line.map(({ id }) => id).slice(0, 2)).toEqual([
      one.caller.accessTokenId,
      parent.caller.accessTokenId,
    ]);
    expect(line).toHaveLength(3);
    expect(line[1]).toMatchObject({ budgets, payees: new Set([address("a")]) });
    expect(line.map(answererOf).slice(0, 2)).toEqual(Array(2).fill(parent.caller.accessTokenId));
  });

  it("never gets more than any ancestor, whatever is asked for at each level", () => {
    const amount = fc.option(fc.bigInt({ min: 1n, max: 9n }), { nil: undefined });
    const budget = fc.record({ token: fc.constantFrom(token, other), perDay: amount, total: amount });
    const grant: fc.Arbitrary<Grant> = fc.record({
      name: fc.constant("x"),
      scopes: fc.subarray<Scope>(["read", "receive", "pay", "admin"], { minLength: 1 }),
      expiresAt: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      payees: fc.option(fc.subarray([address("a"), address("b")], { minLength: 1 }), { nil: undefined }),
      budgets: fc.option(fc.uniqueArray(budget, { selector: (one) => one.token, maxLength: 2 }), {
        nil: undefined,
      }),
    });
    fc.assert(
      fc.property(grant, grant, (parent, one) => {
        const isWithin =
          (parent.scopes.includes("admin") || one.scopes.every((scope) => parent.scopes.includes(scope))) &&
          !(parent.expiresAt !== undefined && (one.expiresAt ?? 0) > parent.expiresAt) &&
          (one.payees ?? []).every((payee) => parent.payees?.includes(payee) ?? true) &&
          (one.budgets ?? []).every(({ token, perDay, total }) => {
            if (parent.budgets === undefined) return true;
            const most = parent.budgets.find((budget) => budget.token === token);
            return (
              most !== undefined &&
              (perDay ?? 0n) <= (most.perDay ?? 10n) &&
              (total ?? 0n) <= (most.total ?? 10n)
            );
          });
        expect(excessOver(parent, one) === undefined).toBe(isWithin);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it("may be ended by whoever made it, and by nobody else", async () => {
    const root = await admin();
    const [a, b] = [await child(root, { scopes: ["read", "pay"] }), await child(root)];
    const one = await child(a.caller);
    const idOf = ({ caller }: { caller: Caller }) => caller.accessTokenId;
    for (const id of [idOf(b), root.accessTokenId, "nobody"]) {
      await expect(tokens.revoke(a.caller, id)).rejects.toThrow(code("not_found"));
      expect(tokens.isOwn(a.caller, id)).toBe(false);
    }
    expect(tokens.isOwn(a.caller, undefined)).toBe(false);
    await expect(tokens.revoke(one.caller, idOf(a))).rejects.toThrow(code("not_found"));
    expect(
      tokens
        .list(a.caller)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([idOf(a), idOf(one)].sort());
    expect(tokens.list(root)).toHaveLength(4);
    await tokens.revoke(a.caller, idOf(one));
    expect(allows(one.secret, "pay")).toBe("unauthenticated");
    await tokens.revoke(a.caller, idOf(a));
    expect(allows(a.secret, "pay")).toBe("unauthenticated");
    expect(allows(b.secret, "pay")).toBe("yes");
  });

  it("is at most seven levels below the first", async () => {
    let caller = await admin();
    for (let level = 1; level < 8; level++) ({ caller } = await child(caller));
    await expect(child(caller)).rejects.toThrow(code("too_many_access_tokens"));
  });

  it("cannot be one of so many that others have no room, and ended ones make room", async () => {
    const root = await admin();
    const parent = await child(root);
    const made = await Promise.allSettled(
      Array.from({ length: MAX_DESCENDANTS + 50 }, () => child(parent.caller)),
    );
    const kept = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(kept).toHaveLength(MAX_DESCENDANTS);
    await child(root);
    await expect(child(kept[0]!.caller)).rejects.toThrow(code("too_many_access_tokens"));
    const ended = kept[7]!.caller.accessTokenId;
    await tokens.revoke(parent.caller, ended);
    await expect(child(parent.caller)).rejects.toThrow(code("too_many_access_tokens"));
    now += 3_601_000;
    await child(parent.caller);
    expect(forgotten).toEqual([ended]);
    expect(allows(kept[7]!.secret, "pay")).toBe("unauthenticated");
    expect(allows(kept[8]!.secret, "pay")).toBe("yes");
  }, 60_000);
});

describe("the payees and budgets that tokens name", () => {
  it.each([["read"], ["pay"]] as const)(
    "are bounded for all made from one, with the scope %s",
    async (scope) => {
      const payees = Array.from(
        { length: 1_000 },
        (_, at) => `0x${at.toString(16).padStart(40, "0")}` as Address,
      );
      const grant = { scopes: [scope], payees };
      const root = await admin();
      const parent = await child(root, { scopes: [scope] });
      const made: Caller[] = [];
      for (let named = 0; named < MAX_NAMED; named += payees.length) {
        const from = made.at(-1) !== undefined && made.length < 4 ? made.at(-1)! : parent.caller;
        made.push((await child(from, grant)).caller);
      }
      await expect(child(parent.caller, grant)).rejects.toThrow(code("grant_refused"));
      await expect(
        child(parent.caller, { scopes: [scope], budgets: [{ token, total: 1n }] }),
      ).rejects.toThrow(code("grant_refused"));
      await child(parent.caller, { scopes: [scope] });
      await child(root, grant);
      await reopen();
      await expect(child(parent.caller, grant)).rejects.toThrow(code("grant_refused"));
      await tokens.revoke(parent.caller, made.at(-1)!.accessTokenId);
      now += 3_601_000;
      await child(parent.caller, grant);
    },
  );
});

describe("the first token", () => {
  it("is written for its owner alone, once, and is found again", async () => {
    const secret = await tokens.ensureAdmin(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).toBe(`${secret}\n`);
    expect(await readdir(join(folder, "data"))).toEqual(["admin.token"]);
    await reopen();
    expect(await tokens.ensureAdmin(file)).toBe(secret);
    expect(allows(secret, "admin")).toBe("yes");
    expect(tokens.list(await admin())).toHaveLength(1);
  });

  it("comes from a file that was made before, and not from one whose token has ended", async () => {
    const made = `rvk_${"x".repeat(43)}`;
    await tokens.ensureAdmin(file);
    await writeFile(file, made, { mode: 0o644 });
    expect(await tokens.ensureAdmin(file)).toBe(made);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const root = tokens.authorize(made, "admin");
    await tokens.revoke(root, root.accessTokenId);
    const next = await tokens.ensureAdmin(file);
    expect(next).not.toBe(made);
    expect([made, next].map((secret) => allows(secret, "admin"))).toEqual(["unauthenticated", "yes"]);
  });

  it("is not made of a token with less, nor of what is no secret", async () => {
    const { secret } = await child(await admin());
    for (const text of [secret, "hello", ""]) {
      await writeFile(file, text);
      expect(allows(await tokens.ensureAdmin(file), "admin")).toBe("yes");
      expect(allows(text, "admin")).not.toBe("yes");
    }
  });
});

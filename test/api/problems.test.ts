import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/api/error.ts";
import { problemOf } from "../../src/api/problems.ts";
import { MEANINGS } from "../../src/api/problemTable.ts";
import { Problem } from "../../src/api/schema/problem.ts";
import { ChainError } from "../../src/chain/error.ts";
import { NodeError } from "../../src/node/error.ts";
import { PeerError } from "../../src/p2p/error.ts";
import { StoreError } from "../../src/store/storeError.ts";

describe("problems", () => {
  // That every code has a line is the compiler's to say: the tables are records over the unions of codes.
  it.each(Object.entries(MEANINGS))("%s says what happened and what to do", (code, meaning) => {
    expect(code).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(meaning.status).toBeGreaterThanOrEqual(400);
    expect(meaning.status).toBeLessThan(600);
    expect(meaning.title).toMatch(/^[A-Z].*[^.]$/);
    expect(meaning.action).toMatch(/^[A-Z].*\.$/);
  });

  it("keep the code and the fields of every room's failures", () => {
    const failures = [
      new ApiError({ code: "scope_missing", fields: { scope: "admin" } }),
      new NodeError({ code: "insufficient_capacity", ok: false, fields: { available: 1n, needed: 2n } }),
      new ChainError({ code: "rpc_down", method: "eth_call", reason: "refused" }),
      new PeerError("dial_failed", { reason: "no route" }),
    ];
    const told = failures.map((failure) => Problem.parse(problemOf(failure, "req-1")));
    expect(told.map(({ code, status, fields }) => [code, status, fields])).toEqual([
      ["scope_missing", 403, { scope: "admin" }],
      ["insufficient_capacity", 409, { available: "1", needed: "2" }],
      ["rpc_down", 503, { method: "eth_call", reason: "refused" }],
      ["dial_failed", 502, { reason: "no route" }],
    ]);
    expect(told.every(({ instance }) => instance === "req-1")).toBe(true);
    expect(told[1]!.type).toBe("urn:rivulet:problem:insufficient_capacity");
  });

  it("take from a store's failure whether money is at stake, and not its text", () => {
    const secret = "/srv/rivulet/data";
    const told = problemOf(new StoreError("database_damaged", `damaged: ${secret}`, { moneyAtStake: false }));
    expect(told).toMatchObject({ code: "database_damaged", moneyAtStake: false });
    expect(JSON.stringify(told)).not.toContain(secret);
  });

  it.each([
    ["an exception", new TypeError("cannot read /etc/shadow")],
    ["an error of the system", Object.assign(new Error("open /etc/shadow"), { code: "EACCES" })],
    ["a code that is a property of every object", Object.assign(new Error("x"), { code: "constructor" })],
    ["no error at all", "/etc/shadow"],
  ])("say nothing of the text of %s", (_name, thrown) => {
    const told = Problem.parse(problemOf(thrown));
    expect(told).toMatchObject({ code: "internal_error", status: 500, moneyAtStake: true });
    expect(JSON.stringify(told)).not.toContain("shadow");
  });

  it("know the ends of waits", () => {
    expect(problemOf(new DOMException("late", "TimeoutError")).code).toBe("timed_out");
    expect(problemOf(new DOMException("stopping", "AbortError"))).toMatchObject({
      code: "node_stopped",
      status: 503,
      moneyAtStake: true,
    });
  });

  it("bound what strangers can put into a field", () => {
    const told = problemOf(new PeerError("remote_error", { code: "x".repeat(10_000) }));
    expect(told.fields!.code!.length).toBeLessThan(1_000);
  });
});

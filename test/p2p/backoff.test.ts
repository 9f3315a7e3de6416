import { describe, expect, it } from "vitest";
import { Backoff, pauseFor } from "../../src/p2p/backoff.ts";
import { type PeerCode, PeerError } from "../../src/p2p/error.ts";
import { Keeper } from "../../src/p2p/keeper.ts";
import { PEER_LIMITS } from "../../src/p2p/limits.ts";
import type { PeerSession } from "../../src/p2p/session.ts";
import { until } from "./harness.ts";

describe("backoff", () => {
  it("doubles up to the bound, stays there, and starts again after a reset", () => {
    const backoff = new Backoff({ backoffBaseMs: 100, backoffMaxMs: 1000 }, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
    for (let i = 0; i < 2000; i++) expect(backoff.next()).toBe(1000);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it("spreads over the whole range, yet never comes at once", () => {
    const waits = [0, 0.25, 0.5, 0.75].map((random) => {
      const backoff = new Backoff({ backoffBaseMs: 100, backoffMaxMs: 1000 }, () => random);
      for (let i = 0; i < 9; i++) backoff.next();
      return backoff.next();
    });
    expect(waits).toEqual([50, 250, 500, 750]);
  });

  it("is given up at once when nobody waits any more", async () => {
    const control = new AbortController();
    const pause = pauseFor(60_000, control.signal);
    control.abort();
    await pause;
    await pauseFor(60_000, control.signal);
  });
});

describe("keeping a peer", () => {
  const limits = { ...PEER_LIMITS, backoffBaseMs: 4, backoffMaxMs: 64, maxKeptPeers: 2 };

  it("does not ask at full speed a peer that takes us and throws us out", async () => {
    const waits: number[] = [];
    const session = { closed: AbortSignal.abort(new PeerError("remote_closed")) } as PeerSession;
    const keeper = new Keeper(
      limits,
      async () => session,
      (_address, _reason, wait) => waits.push(wait),
    );
    keeper.keep("x");
    await until("some attempts", () => waits.length >= 12);
    keeper.stop();
    // Full jitter lets single waits be short; that they grow shows in the later ones together.
    const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
    expect(sum(waits.slice(6, 12))).toBeGreaterThan(6 * 4);
  });

  it("asks again soon after sessions that were cut, however many and short, and not so after dials that failed", async () => {
    const waitsOf = async (connect: () => Promise<PeerSession>) => {
      const waits: number[] = [];
      const keeper = new Keeper(
        { ...limits, backoffMaxMs: 60_000, cutBackoffMaxMs: 16 },
        connect,
        (_a, _r, wait) => waits.push(wait),
      );
      keeper.keep("x");
      await until("a dozen attempts, or a long pause", () => waits.length >= 12 || (waits.at(-1) ?? 0) > 500);
      keeper.stop();
      return Math.max(...waits);
    };
    const ended = (code: PeerCode) => async () =>
      ({ closed: AbortSignal.abort(new PeerError(code)) }) as PeerSession;
    expect(await waitsOf(ended("connection_lost"))).toBeLessThanOrEqual(16);
    expect(await waitsOf(ended("remote_closed"))).toBeLessThanOrEqual(16);
    // A peer that throws us out for a reason of its own will do so again.
    expect(await waitsOf(ended("message_malformed"))).toBeGreaterThan(16);
    expect(
      await waitsOf(async () => {
        throw new PeerError("dial_failed");
      }),
    ).toBeGreaterThan(16);
  });

  it("forgets the dials that failed once one came through", async () => {
    const waits: number[] = [];
    let dials = 0;
    const connect = async () => {
      if (dials++ < 9 || dials > 10) throw new PeerError("dial_failed");
      return { closed: AbortSignal.abort(new PeerError("connection_lost")) } as PeerSession;
    };
    const keeper = new Keeper({ ...limits, backoffMaxMs: 64 }, connect, (_a, _r, wait) => waits.push(wait));
    keeper.keep("x");
    await until("a dozen attempts", () => waits.length >= 12);
    keeper.stop();
    expect(waits[9]).toBeLessThanOrEqual(4);
    expect(waits[10]).toBeLessThanOrEqual(4);
  });

  it("is done once per address, and for a bounded number of them", () => {
    let asked = 0;
    const never = () => {
      asked++;
      return new Promise<PeerSession>(() => undefined);
    };
    const keeper = new Keeper(limits, never, () => undefined);
    keeper.keep("x");
    keeper.keep("x");
    const stop = keeper.keep("y");
    expect(asked).toBe(2);
    expect(() => keeper.keep("z")).toThrow("no place for another peer");
    stop();
    keeper.keep("z");
    expect(asked).toBe(3);
    keeper.stop();
  });
});

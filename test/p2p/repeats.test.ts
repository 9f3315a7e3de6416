import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Repeats } from "../../src/p2p/repeats.ts";

let told: string[];
let repeats: Repeats<string>;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  repeats = new Repeats({
    tell: (text) => told.push(text),
    summarize: (last, count) => `${last} +${count}`,
  });
});

afterEach(() => vi.useRealTimers());

describe("what repeats", () => {
  it("is told a few times at once, and counted at the end of a minute", () => {
    for (let i = 1; i <= 10; i++) repeats.tell("lie", "mallory", `lie ${i}`);
    expect(told).toEqual(["lie 1", "lie 2", "lie 3"]);
    vi.advanceTimersByTime(60_000);
    expect(told.slice(3)).toEqual(["lie 10 +7"]);
    for (let i = 11; i <= 12; i++) repeats.tell("lie", "mallory", `lie ${i}`);
    expect(told.slice(4)).toEqual(["lie 11", "lie 12"]);
    vi.advanceTimersByTime(600_000);
    expect(told).toHaveLength(6);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves what others cause, and other things, alone", () => {
    for (let i = 0; i < 100; i++) repeats.tell("lie", "mallory", "m");
    repeats.tell("lie", "trent", "t");
    repeats.tell("flood", "mallory", "f");
    expect(told).toEqual(["m", "m", "m", "t", "f"]);
  });

  it("from ever new senders is bounded too, and nothing goes uncounted", () => {
    for (let i = 0; i < 10_000; i++) repeats.tell("lie", `identity ${i}`, "x");
    expect(told.length).toBeLessThan(300);
    repeats.tell("flood", "trent", "another kind");
    expect(told.at(-1)).toBe("another kind");
    const before = told.length;
    repeats.flush();
    expect(told.slice(before)).toEqual([`x +${10_000 - before + 1}`]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { describe, expect, it } from "vitest";
import { parseSpan, parseTime } from "../../src/cli/when.ts";

describe("a date", () => {
  it.each([
    ["2026-03-01", new Date(2026, 2, 1)],
    ["2024-02-29", new Date(2024, 1, 29)],
    ["2026-03-01T12:30", new Date(2026, 2, 1, 12, 30)],
    ["2026-03-01T12:30:05", new Date(2026, 2, 1, 12, 30, 5)],
    ["2026-03-01T12:30:05Z", new Date("2026-03-01T12:30:05Z")],
    ["2026-03-01T12:30:05+02:00", new Date("2026-03-01T10:30:05Z")],
  ])("%s is taken as what it says", (text, date) => {
    expect(parseTime(text)).toBe(date.getTime() / 1000);
  });

  it.each([
    "2026-02-30",
    "2025-02-29",
    "2026-04-31T10:00:00",
    "2026-13-01",
    "2026-00-10",
    "2026-01-00",
    "2026-01-01T24:00:00",
    "2026-01-01T10:60:00Z",
  ])("%s is not in the calendar", (text) => {
    expect(() => parseTime(text)).toThrow("is not in the calendar");
  });

  it.each(["yesterday", "2026-1-1", "2026-01-01 or so", "2026-01-01T10", "01.02.2026"])(
    "%s is none",
    (text) => {
      expect(() => parseTime(text)).toThrow("is no date");
    },
  );

  it("with a time zone that there is not is refused", () => {
    expect(() => parseTime("2026-01-01T10:00:00+99:00")).toThrow("has no such time zone");
  });
});

describe("a span", () => {
  it("is taken in its unit, and refused without one", () => {
    expect([parseSpan("90s"), parseSpan("15min"), parseSpan("2w")]).toEqual([90, 900, 1_209_600]);
    expect(() => parseSpan("15")).toThrow("is no span of time");
  });
});

import { usage } from "./exitCodes.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3_600, d: 86_400, w: 604_800 };

/** A span of time as people write it. */
export const SPAN = /^([1-9][0-9]{0,8})\s*(s|min|h|d|w)$/;

/** `90s`, `15min`, `12h`, `30d`, `2w` in seconds. */
export function parseSpan(text: string): number {
  const match = SPAN.exec(text.trim());
  if (match === null) throw usage(`"${text}" is no span of time`, "Write it as 90s, 15min, 12h, 30d or 2w.");
  return Number(match[1]) * UNITS[match[2]!]!;
}

/** A date or date and time as Unix seconds, in this machine's time zone where it names none. */
export function parseTime(text: string): number {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const time = Date.parse(isDate ? `${text}T00:00:00` : text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(time)) {
    throw usage(`"${text}" is no date`, "Write it as 2026-03-01 or 2026-03-01T12:30:00.");
  }
  return Math.floor(time / 1000);
}

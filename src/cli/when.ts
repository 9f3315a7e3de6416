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

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A date or date and time as Unix seconds, in this machine's time zone where it names none. A day that the calendar does
 * not have is refused: it would be taken for one of the next month.
 */
export function parseTime(text: string): number {
  const match = TIME.exec(text.trim());
  if (match === null) throw usage(`"${text}" is no date`, "Write it as 2026-03-01 or 2026-03-01T12:30:00.");
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0)) as Six;
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const inCalendar = month >= 1 && month <= 12 && day >= 1 && day <= days;
  if (!inCalendar || hour > 23 || minute > 59 || second > 59) {
    throw usage(`"${text}" is not in the calendar`, "Give a day and a time that there are.");
  }
  const time = Date.parse(match[4] === undefined ? `${match[0]}T00:00:00` : match[0]);
  if (Number.isNaN(time)) throw usage(`"${text}" has no such time zone`, "Write it as +02:00, or Z.");
  return Math.floor(time / 1000);
}

type Six = [number, number, number, number, number, number];

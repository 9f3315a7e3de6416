/** Control characters, those that turn the direction of writing, and those that cannot be seen: a terminal obeys them. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu;

/** Text of a stranger's (reasons, labels, symbols) as it may be shown. */
export function safe(text: string): string {
  return text.replace(UNSAFE, "\u{fffd}");
}

/** `0x1234…abcd`: for people; `--json` has it whole. */
export function short(hex: string): string {
  return hex.length <= 14 ? hex : `${hex.slice(0, 8)}…${hex.slice(-4)}`;
}

/** Unix seconds as people read them, in their own time zone. */
export function timeText(seconds: number): string {
  return seconds === 0 ? "unknown" : new Date(seconds * 1000).toLocaleString(undefined, { hour12: false });
}

/** Seconds as `2 h 5 min`. */
export function spanText(seconds: number): string {
  const total = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [
    Math.floor(total / 86_400),
    Math.floor(total / 3600) % 24,
    Math.floor(total / 60) % 60,
  ];
  const parts = [
    [days, "d"],
    [hours, "h"],
    [minutes, "min"],
    [total % 60, "s"],
  ] as const;
  const shown = parts.filter(([count]) => count > 0).slice(0, 2);
  return shown.length === 0 ? "0 s" : shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

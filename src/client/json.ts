/** For `JSON.stringify`: amounts are decimal strings, since JSON has no integers of their size. */
export function bigintsAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

/** One measured number. Latencies are in µs, rates in payments a second. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: "µs" | "/s" | "ms" | "bytes";
  /** How it was measured, what else was seen, and what the machine can do. */
  readonly params: Readonly<Record<string, Param>>;
}

export type Param = number | string | boolean | readonly number[];

/** One number per run. */
export interface Measured {
  readonly name: string;
  readonly unit: Row["unit"];
  readonly values: readonly number[];
  readonly params: Readonly<Record<string, Param>>;
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The value below which the share `p` (0 to 1) of `values` lies. */
export function quantile(values: Float64Array, p: number): number {
  const sorted = values.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!;
}

/** Three significant digits are more than a run repeats; four leave room for comparing. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function rowOf({ name, unit, values, params }: Measured, common: Row["params"]): Row {
  const all = values.map(rounded);
  return { name, value: rounded(median(values)), unit, params: { ...params, all, ...common } };
}

/** For people: a table of names and numbers, and below each what belongs to it. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, value, unit }) => [name, value.toLocaleString("en"), unit] as const);
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map(([name, value, unit], at) => {
    const { params } = rows[at]!;
    const details = Object.entries(params).map(([key, param]) => `${key} ${shown(param)}`);
    return `${name.padEnd(widths[0]!)}  ${value.padStart(widths[1]!)} ${unit}\n    ${details.join(", ")}`;
  });
  return lines.join("\n");
}

function shown(param: Param): string {
  if (typeof param === "object") return `[${param.map((value) => value.toLocaleString("en")).join(" ")}]`;
  return typeof param === "number" ? param.toLocaleString("en") : String(param);
}

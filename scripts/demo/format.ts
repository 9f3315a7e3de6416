import { formatUnits } from "ethers";
import type { Asset } from "./orders.ts";

export const DECIMALS: Readonly<Record<Asset, number>> = { native: 18, token: 6 };
export const SYMBOLS: Readonly<Record<Asset, string>> = { native: "ETH", token: "RTT" };

/** 1234567 as `1,234,567`. */
export function grouped(count: number | bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Base units as a decimal amount with its symbol, with no digit left out. */
export function amount(base: bigint, asset: Asset): string {
  return `${decimal(base, DECIMALS[asset])} ${SYMBOLS[asset]}`;
}

/** A fixed-point number without needless zeros. */
export function decimal(value: bigint, decimals: number): string {
  const [whole, fraction] = formatUnits(value, decimals).split(".");
  return grouped(BigInt(whole!)) + (fraction === undefined || fraction === "0" ? "" : `.${fraction}`);
}

/** Microseconds, as people read them. */
export function duration(microseconds: number): string {
  if (microseconds < 1_000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1_000_000) return `${(microseconds / 1_000).toFixed(1)} ms`;
  return `${(microseconds / 1_000_000).toFixed(1)} s`;
}

/** Dollars from 10^-12 of them, rounded to a millionth of a cent. */
export function dollars(pico: bigint): string {
  return `$${decimal((pico + 5_000n) / 10_000n, 8)}`;
}

/** Two columns of text beside each other need the same width: adds spaces on the right. */
export function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - text.length));
}

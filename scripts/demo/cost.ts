import { DECIMALS } from "./format.ts";
import type { Asset } from "./orders.ts";

/** What money costs in dollars: nobody here knows, so whoever runs the demo may say. */
export interface Prices {
  /** Wei per gas. */
  readonly gasPrice: bigint;
  /** Millionths of a dollar per ETH. */
  readonly etherPrice: bigint;
}

/** A channel's life in gas, and what went through it. */
export interface Life {
  readonly asset: Asset;
  readonly gas: bigint;
  readonly payments: number;
  /** Sum of all payments of both directions, base units. */
  readonly volume: bigint;
}

/** Per payment, in 10^-12 dollars. */
export interface Cost {
  readonly asset: Asset;
  readonly payments: number;
  readonly gas: bigint;
  /** In thousandths. */
  readonly gasPerPayment: bigint;
  readonly perPayment: bigint;
  readonly averagePayment: bigint;
  /** `perPayment` of `averagePayment`, in thousandths of a percent. */
  readonly share: bigint;
  /** What fees of these shares would have cost on the same payments, least and most. */
  readonly lowFee: readonly [bigint, bigint];
  readonly highFee: readonly [bigint, bigint];
}

/** In thousandths of the amount: 0.1 % to 0.5 %, and 1 % to 3 %. */
export const LOW_FEE: readonly [bigint, bigint] = [1n, 5n];
export const HIGH_FEE: readonly [bigint, bigint] = [10n, 30n];

const PICO_PER_MICRO = 10n ** 6n;

export function costOf(life: Life, prices: Prices): Cost {
  const { asset, gas, volume } = life;
  const payments = BigInt(life.payments);
  const perUnit = asset === "native" ? prices.etherPrice : 10n ** 6n; // the test token stands for a dollar
  const spent = (gas * prices.gasPrice * prices.etherPrice * PICO_PER_MICRO) / 10n ** 18n;
  const moved = (volume * perUnit * PICO_PER_MICRO) / 10n ** BigInt(DECIMALS[asset]);
  const fee = (thousandths: bigint) => (moved * thousandths) / 1_000n / payments;
  return {
    asset,
    payments: life.payments,
    gas,
    gasPerPayment: (gas * 1_000n) / payments,
    perPayment: spent / payments,
    averagePayment: moved / payments,
    share: (spent * 100_000n) / moved,
    lowFee: [fee(LOW_FEE[0]), fee(LOW_FEE[1])],
    highFee: [fee(HIGH_FEE[0]), fee(HIGH_FEE[1])],
  };
}

import { parseArgs } from "node:util";
import { parseUnits } from "ethers";
import type { Prices } from "./cost.ts";

export interface DemoOptions {
  readonly payments: number;
  readonly json: boolean;
  readonly keep: boolean;
  readonly prices: Prices;
}

export const DEFAULT_PAYMENTS = 100_000;
/** Below it a rate says nothing. */
export const LEAST_PAYMENTS = 100;
/** The tally keeps every id in memory, about 150 bytes each. */
export const MOST_PAYMENTS = 2_000_000;

const DEFAULT_GAS_PRICE = "1";
const DEFAULT_ETHER_PRICE = "3000";

export const HELP = `Usage: npm run demo -- [options]

Two nodes on a local chain open channels, pay each other, crash, dispute and settle.
Exits with 0 only if every balance on chain is what the applications' own tally says.

  --payments <n>     how many payments the stream has (default ${DEFAULT_PAYMENTS})
  --json             print one JSON object to standard output, and nothing else there
  --keep             keep the nodes' directories and say where they are
  --gas-price <gwei> gas price to reckon costs with (default ${DEFAULT_GAS_PRICE}, an assumption)
  --eth-price <usd>  price of one ETH to reckon costs with (default ${DEFAULT_ETHER_PRICE}, an assumption)
  --help             print this
`;

/** The command line was wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the command line; undefined if help is asked for. Throws {@link UsageError}. */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  return {
    payments: wholeNumber(values.payments),
    json: values.json,
    keep: values.keep,
    prices: {
      gasPrice: price("--gas-price", values["gas-price"], 9),
      etherPrice: price("--eth-price", values["eth-price"], 6),
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        payments: { type: "string", default: String(DEFAULT_PAYMENTS) },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        "gas-price": { type: "string", default: DEFAULT_GAS_PRICE },
        "eth-price": { type: "string", default: DEFAULT_ETHER_PRICE },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(text: string): number {
  const count = /^\d[\d_,]*$/.test(text) ? Number(text.replace(/[_,]/g, "")) : Number.NaN;
  if (!(count >= LEAST_PAYMENTS && count <= MOST_PAYMENTS)) {
    throw new UsageError(
      `--payments wants a whole number from ${LEAST_PAYMENTS} to ${MOST_PAYMENTS}, not "${text}"`,
    );
  }
  return count;
}

function price(option: string, text: string, decimals: number): bigint {
  // Long enough for any price, short enough that a sum stays readable.
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text) || !/[1-9]/.test(text))
    throw new UsageError(`${option} wants a price, not "${text}"`);
  const [whole, fraction = ""] = text.split(".");
  return parseUnits(`${whole}.${fraction.slice(0, decimals) || "0"}`, decimals);
}

import type { ApiProblem } from "../client/problem.ts";
import { ZERO_ADDRESS } from "../protocol/index.ts";
import type { Shell } from "./shell.ts";
import { spanText, timeText } from "./text.ts";

type Fields = ApiProblem["fields"];

/** Fields that are amounts, by code; `COIN`: in the chain's coin, whatever the command is about. */
const AMOUNTS: Readonly<Record<string, readonly string[]>> = {
  insufficient_capacity: ["available", "needed"],
  capacity_exceeded: ["available", "needed"],
  credit_lowered: ["available", "needed"],
  amount_invalid: ["amount"],
  budget_exceeded: ["limit", "spent", "amount"],
  limit_exceeded: ["limit", "spent", "amount"],
  wallet_insufficient: ["have", "need", "reserved"],
  gas_reserve_needed: ["left", "needed"],
  withdrawal_exceeds_balance: ["available", "total"],
  withdrawal_below_current: ["current", "total"],
  locks_pending: ["locked"],
  request_amount_differs: ["asked", "offered"],
};
const COIN: ReadonlySet<string> = new Set(["gas_reserve_needed"]);

/** Unix seconds, whatever the code. */
const TIMES: ReadonlySet<string> = new Set(["since", "deadline", "latest", "expiresAt"]);

/** Seconds, by code. */
const SPANS: Readonly<Record<string, readonly string[]>> = {
  chain_stale: ["age", "limit"],
  clock_skew: ["skew", "limit"],
  peer_away: ["waitedSeconds"],
};

/** What the fields of a refusal say, for people: times, spans and amounts as everywhere. Never rejects. */
export async function fieldsText(shell: Shell, code: string, fields: Fields): Promise<string> {
  const told: string[] = [];
  const token = COIN.has(code) ? ZERO_ADDRESS : (fields.token ?? shell.token);
  for (const [name, value] of Object.entries(fields)) {
    const words = name.replace(/Seconds$/, "").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    told.push(`${words} ${await valueText(shell, code, name, value, token)}`);
  }
  return told.join(", ");
}

async function valueText(
  shell: Shell,
  code: string,
  name: string,
  value: string,
  token: string | undefined,
): Promise<string> {
  if (!/^-?[0-9]+$/.test(value)) return value;
  if (TIMES.has(name)) return timeText(Number(value));
  if (SPANS[code]?.includes(name)) {
    const seconds = Number(value);
    return seconds < 0 ? `-${spanText(-seconds)}` : spanText(seconds);
  }
  if (AMOUNTS[code]?.includes(name)) return amountText(shell, value, token);
  return value;
}

/** The node that refused may be gone by now: then base units are what is left. */
async function amountText(shell: Shell, amount: string, token: string | undefined): Promise<string> {
  try {
    if (token !== undefined) return await (await shell.tokens()).show(amount, token);
  } catch {}
  return `${amount} base units`;
}

/** A message of the node's with its amounts of wei in the chain's coin. */
export async function coinText(shell: Shell, message: string): Promise<string> {
  const shown = new Map<string, string>();
  for (const [found, wei] of message.matchAll(/\b([0-9]+) wei\b/g)) {
    shown.set(found, await amountText(shell, wei!, ZERO_ADDRESS));
  }
  return message.replace(/\b[0-9]+ wei\b/g, (found) => shown.get(found)!);
}

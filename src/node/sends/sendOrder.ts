import { Erc20 } from "../../chain/erc20.ts";
import type { Call, Eth } from "../../chain/eth.ts";
import { type Address, type Hex, ZERO_ADDRESS } from "../../protocol/index.ts";
import type { Records } from "../records.ts";

/** Money of the account that is to go to an address. */
export interface SendOrder {
  readonly to: Address;
  /** The zero address: the native coin. */
  readonly token: Address;
  /** Base units, or all there is; of the native coin all but the gas, and but what disputes may need. */
  readonly amount: bigint | "all";
  /** Leave less in the account than disputes of the channels may need. */
  readonly force?: boolean | undefined;
}

/** A transaction that took money out of the account; base units. */
export interface Sent {
  readonly amount: bigint;
  readonly transaction: Hex;
}

/** What a name stands for, on disk before anything is signed. */
export interface StoredSend {
  readonly to: Address;
  readonly token: Address;
  /** What was asked for, and what that came to; decimal strings. */
  readonly asked: string;
  readonly amount: string;
  /** How many losses the database had had: what was signed before one may be forgotten. */
  readonly losses: number;
}

export const SENDS = "send";

const PREFIX = "send/";

/** The intent's name. */
export function intentOf(name: string): string {
  return `${PREFIX}${name}`;
}

export function transferCall(to: Address, token: Address, amount: bigint, eth: Eth): Call {
  if (token === ZERO_ADDRESS) return { to, data: "0x", value: amount };
  return new Erc20(token, eth).transfer(to, amount);
}

/** What an intent sent, or undefined for one that is no send. */
export async function sendOf(records: Records, intent: string): Promise<StoredSend | undefined> {
  if (!intent.startsWith(PREFIX)) return undefined;
  return records.get<StoredSend>(SENDS, intent.slice(PREFIX.length));
}

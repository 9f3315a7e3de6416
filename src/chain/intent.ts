import type { Address } from "../protocol/address.ts";
import type { Hex } from "../protocol/bytes.ts";
import type { Call } from "./eth.ts";
import type { Fees } from "./fees.ts";
import type { Revert } from "./revert.ts";

/** What the node wants on chain, under a name of its own: the same id again is the same intent, for ever. */
export interface Intent extends Call {
  /** At most {@link MAX_INTENT_ID_CHARS} characters. */
  readonly id: string;
  /** Unix seconds: the last block time at which it is of use. Drives how much gas may cost. */
  readonly deadline?: number;
}

export const MAX_INTENT_ID_CHARS = 200;

/** Why a transaction is not under way at the moment. */
export type WaitReason =
  /** The chain asks more than the ceiling allows now. */
  | "fee_ceiling"
  /** The account cannot pay for gas; tried again when it can. */
  | "gas_wallet_empty"
  /** A reorganisation took it out of its block; it is sent again. */
  | "reorganised"
  /** The server does not take it, for a reason of its own. */
  | "rpc_refused"
  | "rpc_down"
  /** The journal could not be written, so nothing may leave. */
  | "stalled";

export type Progress =
  | { readonly stage: "waiting"; readonly reason: WaitReason }
  | { readonly stage: "signed" | "sent"; readonly hash: Hex }
  | {
      readonly stage: "mined" | "confirmed";
      readonly hash: Hex;
      readonly confirmations: number;
      readonly needed: number;
    };

export interface SubmitOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Asked before it is signed for the first time, however long it waited for that; false: it is cancelled. */
  readonly mayLeave?: () => boolean;
}

/** How an intent ended. */
export type Outcome =
  /** Confirmed. `gasUsed` in gas, `gasPrice` in wei per gas. */
  | {
      readonly ok: true;
      readonly hash: Hex;
      readonly block: { readonly number: number; readonly hash: Hex };
      readonly gasUsed: bigint;
      readonly gasPrice: bigint;
    }
  | Refused
  | Failed;

/** Nothing was sent and nothing remembered: the same id may be submitted again. */
export type Refused =
  | { readonly ok: false; readonly code: "tx_would_revert"; readonly revert: Revert }
  /** Wei. */
  | { readonly ok: false; readonly code: "gas_wallet_empty"; readonly have: bigint; readonly need: bigint }
  /** The chain's time is beyond the intent's deadline; Unix seconds. */
  | { readonly ok: false; readonly code: "deadline_passed"; readonly deadline: number; readonly time: number }
  /** The id is taken by an intent with other content. */
  | { readonly ok: false; readonly code: "intent_conflict"; readonly id: string }
  | { readonly ok: false; readonly code: "publisher_full"; readonly waiting: number };

/** Sent, and over without effect. Remembered: another try is another id. */
export type Failed =
  | {
      readonly ok: false;
      readonly code: "tx_reverted";
      readonly hash: Hex;
      readonly block: { readonly number: number; readonly hash: Hex };
      readonly revert: Revert;
    }
  /** `hash` is the cancellation's, undefined when nothing had been signed. */
  | { readonly ok: false; readonly code: "tx_cancelled"; readonly hash: Hex | undefined }
  /** Something other than this publisher used the account's nonce. */
  | { readonly ok: false; readonly code: "nonce_taken"; readonly nonce: number };

/** One signed transaction for an intent. */
export interface Attempt extends Fees {
  readonly hash: Hex;
  readonly raw: Hex;
  /** Unix milliseconds of signing, by our clock. */
  readonly at: number;
  /** True: an empty transfer to ourselves that only frees the nonce. */
  readonly cancels: boolean;
}

/** The journalled form: written before any of its attempts leaves. One intent has one nonce, for ever. */
export interface IntentRecord {
  readonly id: string;
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
  readonly deadline: number | undefined;
  readonly nonce: number;
  readonly gasLimit: bigint;
  readonly attempts: readonly Attempt[];
  readonly cancelling: boolean;
  readonly outcome: Outcome | undefined;
}

/** The name of what only uses a nonce. */
export function fillerId(nonce: number): string {
  return `nonce/${nonce}`;
}

/** Whether it is no intent of anybody's: an empty transfer to ourselves from the first, which only uses its nonce. */
export function isFiller(record: IntentRecord): boolean {
  return record.attempts[0]?.cancels === true;
}

export function sameContent(a: Call, b: Call): boolean {
  return a.to === b.to && a.data === b.data && a.value === b.value;
}

/** A record from its journalled JSON, where bigints are decimal strings. */
export function intentFromJson(json: unknown): IntentRecord {
  const record = json as IntentRecord;
  return {
    ...record,
    deadline: record.deadline,
    value: BigInt(record.value),
    gasLimit: BigInt(record.gasLimit),
    attempts: record.attempts.map((attempt) => ({
      ...attempt,
      maxFee: BigInt(attempt.maxFee),
      priority: BigInt(attempt.priority),
    })),
    outcome: record.outcome === undefined ? undefined : outcomeFromJson(record.outcome),
  };
}

function outcomeFromJson(outcome: Outcome): Outcome {
  if (!outcome.ok) return outcome;
  return { ...outcome, gasUsed: BigInt(outcome.gasUsed), gasPrice: BigInt(outcome.gasPrice) };
}

import type { Escrow } from "../../chain/escrow.ts";
import type { Call } from "../../chain/eth.ts";
import type { Failed, Refused } from "../../chain/intent.ts";
import type { Address, Hex } from "../../protocol/index.ts";
import { NodeError, transactionFailed } from "../error.ts";

/** All that the escrow keeps for the account in one token, and where it is to go. */
export interface PayoutOrder {
  /** The zero address: the native coin. */
  readonly token: Address;
  /** The account itself, or another address while the token goes on refusing the account. */
  readonly to: Address;
  /** Leave less in the account than disputes of the channels may need. */
  readonly force?: boolean | undefined;
}

/** A transaction that fetched what waited; base units. */
export interface FetchedPayout {
  readonly amount: bigint;
  readonly transaction: Hex;
}

const PREFIX = "withdrawPayout/";

/** The intent's name. */
export function payoutIntent(name: string): string {
  return `${PREFIX}${name}`;
}

export function fetchCall({ token, to }: PayoutOrder, account: Address, escrow: Escrow): Call {
  return escrow.withdrawPayout(token, account, to);
}

/** Why a fetch had no effect: the escrow says when the token or the receiver refused once more, or nothing waits. */
export function fetchFailed({ token, to }: PayoutOrder, outcome: Refused | Failed): NodeError {
  const error = "revert" in outcome ? outcome.revert.error : undefined;
  if (error === "ChannelEscrow_PayoutFailed")
    return new NodeError({ code: "payout_refused", fields: { token, to } });
  return transactionFailed("withdrawPayout", outcome);
}

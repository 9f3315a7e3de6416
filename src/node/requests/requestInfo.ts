import { type Address, type ChannelId, type Hex, toHex } from "../../protocol/index.ts";
import type { PaymentRequestTerms } from "../../wire/request.ts";
import { requestUri } from "../../wire/requestText.ts";

/** What a request string says, whoever made it. Amounts in the token's base unit, times in Unix seconds. */
export interface RequestInfo {
  /** The string itself, lower case. It holds the payment secret: it is meant for whoever is to pay. */
  readonly request: string;
  readonly uri: string;
  readonly chainId: bigint;
  readonly escrow: Address;
  readonly token: Address;
  /** Undefined: any amount. */
  readonly amount: bigint | undefined;
  /** The recipient's signer. */
  readonly recipient: Address;
  readonly paymentHash: Hex;
  readonly description: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly expired: boolean;
  readonly addresses: readonly string[];
  /** Whether its chain and escrow are this node's. */
  readonly payable: boolean;
}

/** The payment that paid a request of ours. */
export interface RequestPayment {
  readonly channelId: ChannelId;
  readonly nonce: bigint;
  /** Position within its update. */
  readonly index: number;
  readonly amount: bigint;
  /** When this node wrote it down. */
  readonly time: number;
}

/** A request this node made. Its preimage never leaves the node. */
export interface MadeRequest extends RequestInfo {
  readonly state: "open" | "paid" | "expired" | "cancelled";
  readonly label: string | undefined;
  readonly paid: RequestPayment | undefined;
}

/** What the reader knows of itself. */
export interface Reader {
  readonly chainId: bigint;
  readonly escrow: Address;
  /** Unix seconds. */
  readonly now: number;
}

export function requestInfoOf(request: string, terms: PaymentRequestTerms, reader: Reader): RequestInfo {
  const { paymentHash, paymentSecret: _, ...rest } = terms;
  return {
    request,
    uri: requestUri(request),
    ...rest,
    paymentHash: toHex(paymentHash),
    expired: reader.now >= terms.expiresAt,
    payable: terms.chainId === reader.chainId && terms.escrow === reader.escrow,
  };
}

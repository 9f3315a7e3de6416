import { z } from "zod";
import {
  Address,
  Amount,
  Bytes32,
  ChannelId,
  Label,
  Nonce,
  PositiveAmount,
  pageQueryOf,
  UnixSeconds,
} from "./common.ts";

/** What a request string says, whoever made it. */
export const DecodedRequest = z
  .object({
    request: z.string(),
    uri: z.string(),
    chainId: z.string(),
    escrow: Address,
    token: Address,
    /** Absent: any amount. */
    amount: Amount.optional(),
    recipient: Address.meta({ description: "The recipient's signer." }),
    paymentHash: Bytes32,
    description: z.string(),
    createdAt: UnixSeconds,
    expiresAt: UnixSeconds,
    expired: z.boolean(),
    addresses: z.array(z.string()),
    /** Whether its chain and escrow are this node's. */
    payable: z.boolean(),
  })
  .meta({ id: "DecodedRequest" });
export type DecodedRequest = z.infer<typeof DecodedRequest>;

/** A request this node made. */
export const PaymentRequest = DecodedRequest.extend({
  state: z.enum(["open", "paid", "expired", "cancelled"]),
  label: Label.optional(),
  paid: z
    .object({ channelId: ChannelId, nonce: Nonce, index: z.int(), amount: Amount, time: UnixSeconds })
    .optional(),
}).meta({ id: "PaymentRequest" });
export type PaymentRequest = z.infer<typeof PaymentRequest>;

export const MakeRequestBody = z.object({
  token: Address,
  amount: PositiveAmount.optional(),
  description: z.string().max(256).default(""),
  /** Seconds from now; an hour by default, a year at most. */
  expiresIn: z.int().min(1).max(31_536_000).default(3600),
  label: Label.optional(),
});

export const RequestsQuery = pageQueryOf(PaymentRequest.shape.state);
export const DecodeRequestBody = z.object({ request: z.string().min(8).max(2048) });

import { z } from "zod";
import {
  Address,
  Amount,
  Bytes32,
  ChannelId,
  Label,
  Nonce,
  PageQuery,
  PaymentId,
  PositiveAmount,
  UnixSeconds,
} from "./common.ts";

export const Direction = z.enum(["sent", "received"]);

const Facts = {
  channelId: ChannelId,
  nonce: Nonce,
  index: z.int().nonnegative(),
  paymentId: PaymentId,
  peer: Address,
  token: Address,
  amount: Amount,
};

/** The payee holds it durably: final, whatever crashes. */
export const Receipt = z
  .object({
    ...Facts,
    alreadyPaid: z.literal(true).optional().meta({
      description: "The request was paid by an earlier call, of this key or another: nothing more was paid.",
    }),
  })
  .meta({ id: "Receipt" });
export type Receipt = z.infer<typeof Receipt>;

/** A payment, named for ever by (channelId, direction, nonce, index). */
export const Payment = z
  .object({
    ...Facts,
    direction: Direction,
    reference: Bytes32.optional(),
    refund: z.boolean(),
    label: Label.optional(),
    /** When this node wrote it down. */
    time: UnixSeconds,
    /** Sent: the payee holds it durably. Received ones are always final. */
    final: z.boolean(),
  })
  .meta({ id: "Payment" });
export type Payment = z.infer<typeof Payment>;

/** Of lists and statements; `from` and `to` are Unix seconds, from the first to before the second. */
export const PaymentFilter = z.object({
  peer: Address.optional(),
  token: Address.optional(),
  label: Label.optional(),
  from: z.coerce.number().int().nonnegative().optional(),
  to: z.coerce.number().int().nonnegative().optional(),
});

export const PaymentsQuery = PageQuery.extend({
  direction: Direction.optional(),
  channelId: ChannelId.optional(),
  ...PaymentFilter.shape,
});

const To = { label: Label.optional(), reference: Bytes32.optional() };

/** By channel, by peer and token (the channel with the most capacity is taken), or by a payee's request. */
export const PayBody = z.union([
  z.object({ channelId: ChannelId, amount: PositiveAmount, ...To }),
  z.object({ peer: Address, token: Address, amount: PositiveAmount, ...To }),
  z.object({
    request: z.string().min(8).max(2048),
    /** Only for requests of any amount. */
    amount: PositiveAmount.optional(),
    label: Label.optional(),
  }),
]);

import type { z } from "zod";
import type { ListedPayment } from "../../node/history/listedPayment.ts";
import { type Address, type ChannelId, fromHex } from "../../protocol/index.ts";
import { ApiError } from "../error.ts";
import type { Handlers } from "../handler.ts";
import type { PayOrder } from "../paying.ts";
import type { PayBody, Payment } from "../schema/payment.ts";

export const paymentsHandlers: Handlers<"pay"> = {
  pay: async ({ body, caller, idempotencyKey }, { paying }) => {
    const { channelId, nonce, index, paymentId, peer, token, amount } = await paying.pay(
      caller,
      idempotencyKey,
      orderOf(body),
    );
    return { channelId, nonce: `${nonce}`, index, paymentId, peer, token, amount: `${amount}` };
  },
};

function orderOf(body: z.output<typeof PayBody>): PayOrder {
  if ("request" in body) throw new ApiError({ code: "not_available", fields: { what: "paying requests" } });
  const { amount, reference, label } = body;
  const to =
    "channelId" in body
      ? { channelId: body.channelId as ChannelId }
      : { peer: body.peer as Address, token: body.token as Address };
  return { to, amount: BigInt(amount), reference: reference && fromHex(reference), label };
}

/** A payment as the API shows it. */
export function shownPayment(payment: ListedPayment): z.input<typeof Payment> {
  const { channelId, direction, peer, token, nonce, index, paymentId, amount, refund, final } = payment;
  const { reference, label, time } = payment;
  return {
    channelId,
    direction,
    peer,
    token,
    nonce: `${nonce}`,
    index,
    paymentId,
    amount: `${amount}`,
    refund,
    final,
    time: Math.floor(time / 1000),
    ...(reference !== undefined && { reference }),
    ...(label !== undefined && { label }),
  };
}

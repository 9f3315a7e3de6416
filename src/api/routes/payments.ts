import type { z } from "zod";
import type { ListedPayment } from "../../node/history/listedPayment.ts";
import { type Address, type ChannelId, fromHex } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";
import type { PayOrder } from "../paying.ts";
import type { PayBody, Payment } from "../schema/payment.ts";
import { payRequest } from "./requests.ts";

export const paymentsHandlers: Handlers<"pay"> = {
  pay: async (call, api) => {
    const { body, caller, idempotencyKey } = call;
    if ("request" in body) return payRequest(body, call, api);
    const { channelId, nonce, index, paymentId, peer, token, amount } = await api.paying.pay(
      caller,
      idempotencyKey,
      orderOf(body),
    );
    return { channelId, nonce: `${nonce}`, index, paymentId, peer, token, amount: `${amount}` };
  },
};

function orderOf(body: Exclude<z.output<typeof PayBody>, { request: string }>): PayOrder {
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

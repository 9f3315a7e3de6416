import type { z } from "zod";
import type { ListedPayment } from "../../node/history/listedPayment.ts";
import { type Address, type ChannelId, fromHex } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";
import type { PayOrder } from "../paying.ts";
import type { PayBody, Payment } from "../schema/payment.ts";
import { payRequest } from "./requests.ts";

/** Paying, and what was paid. Every payment goes through the caller's budget; whoever may read sees all of them. */
export const paymentsHandlers: Handlers<"pay" | "payments" | "payment"> = {
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

  payments: async ({ query }, { node }) => {
    const { channelId, peer, token, from, to, ...rest } = query;
    const { items, next } = await node.history.payments({
      ...rest,
      channelId: channelId as ChannelId | undefined,
      peer: peer as Address | undefined,
      token: token as Address | undefined,
      from: milliseconds(from),
      to: milliseconds(to),
    });
    return { items: items.map(shownPayment), ...(next !== undefined && { next }) };
  },

  payment: async ({ params }, { node }) => {
    const { channelId, direction, nonce, index } = params;
    return shownPayment(await node.history.payment(channelId as ChannelId, direction, BigInt(nonce), index));
  },
};

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

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

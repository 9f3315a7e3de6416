import { answererOf } from "../../node/limits/spender.ts";
import type { MadeRequest, RequestInfo } from "../../node/requests/requestInfo.ts";
import type { ApiContext, Call, Handlers } from "../handler.ts";
import type { DecodedRequest, PaymentRequest } from "../schema/request.ts";

/** Making, listing and reading payment requests. Whoever may read sees all of this node's, and no preimage ever. */
export const requestsHandlers: Handlers<
  "makeRequest" | "requests" | "request" | "cancelRequest" | "decodeRequest"
> = {
  makeRequest: async ({ body, caller, idempotencyKey }, { node }) => {
    const { token, amount, description, expiresIn, label } = body;
    const made = await node.requests.make({
      token: token as MadeRequest["token"],
      amount: amount === undefined ? undefined : BigInt(amount),
      description,
      expiresIn,
      label,
      idempotencyKey: `${caller.accessTokenId}/${idempotencyKey}`,
      maker: answererOf(caller.spender),
    });
    return paymentRequestOf(made);
  },

  requests: async ({ query, signal }, { node }) => {
    const { state, limit, cursor } = query;
    const page = await node.requests.page({ state, after: cursor, limit, signal });
    const items = page.items.map(({ request }) => paymentRequestOf(request));
    return { items, ...(page.next !== undefined && { next: page.next }) };
  },

  request: async ({ params }, { node }) => paymentRequestOf(await node.requests.get(params.paymentHash)),

  cancelRequest: async ({ params }, { node }) =>
    paymentRequestOf(await node.requests.cancel(params.paymentHash)),

  decodeRequest: async ({ body }, { node }) => decodedRequestOf(node.requests.decode(body.request)),
};

/** What `pay` takes to pay a request. */
interface RequestToPay {
  readonly request: string;
  readonly amount?: string | undefined;
  readonly label?: string | undefined;
}

/**
 * The variant of `pay` that pays a request: once for ever, whatever the idempotency key. The caller's spending rules
 * apply as to any other payment.
 */
export async function payRequest(
  { request, amount, label }: RequestToPay,
  { caller }: Pick<Call<"pay">, "caller">,
  { paying }: Pick<ApiContext, "paying">,
) {
  const chosen = amount === undefined ? undefined : BigInt(amount);
  const { isNew, ...paid } = await paying.payRequest(caller, request, { amount: chosen, label });
  return {
    ...paid,
    nonce: `${paid.nonce}`,
    amount: `${paid.amount}`,
    ...(!isNew && { alreadyPaid: true as const }),
  };
}

/** What the history remembers of a paid request as the event tells it. */
export async function requestOfEvent(data: unknown, { node }: ApiContext): Promise<PaymentRequest> {
  return paymentRequestOf(await node.requests.get((data as { readonly paymentHash: string }).paymentHash));
}

function paymentRequestOf(made: MadeRequest): PaymentRequest {
  const { state, label, paid } = made;
  return {
    ...decodedRequestOf(made),
    state,
    ...(label !== undefined && { label }),
    ...(paid !== undefined && { paid: { ...paid, nonce: `${paid.nonce}`, amount: `${paid.amount}` } }),
  };
}

function decodedRequestOf({ request, uri, chainId, amount, ...info }: RequestInfo): DecodedRequest {
  const { escrow, token, recipient, paymentHash, description } = info;
  const { createdAt, expiresAt, expired, addresses, payable } = info;
  return {
    request,
    uri,
    chainId: `${chainId}`,
    escrow,
    token,
    ...(amount !== undefined && { amount: `${amount}` }),
    recipient,
    paymentHash,
    description,
    createdAt,
    expiresAt,
    expired,
    addresses: [...addresses],
    payable,
  };
}

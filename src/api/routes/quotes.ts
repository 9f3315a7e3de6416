import type { z } from "zod";
import type { QuoteOrder } from "../../node/quotes.ts";
import type { Address, ChannelId } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";
import { sendOrderOf } from "../operationRecord.ts";
import type { QuoteBody } from "../schema/channel.ts";

export const quotesHandlers: Handlers<"quote"> = {
  quote: async ({ body, caller, signal }, { node, questions }) => {
    const key = `quote/${JSON.stringify(Object.entries(body).sort())}`;
    const told = await questions.ask(key, { caller, signal }, (asked) =>
      node.quote(orderOf(body, node.account), { signal: asked }),
    );
    return {
      transactions: told.transactions.map(({ name, gas }) => ({ name, gas: `${gas}` })),
      gas: `${told.gas}`,
      gasPrice: `${told.gasPrice}`,
      gasPriceCeiling: `${told.gasPriceCeiling}`,
      cost: `${told.cost}`,
      amount: `${told.amount}`,
      affordable: told.affordable,
      missing: { native: `${told.missing.native}`, token: `${told.missing.token}` },
      token: told.token,
    };
  },
};

function orderOf(body: z.output<typeof QuoteBody>, account: Address): QuoteOrder {
  if (body.kind === "open") {
    return { kind: "open", token: body.token as Address, amount: BigInt(body.amount) };
  }
  if (body.kind === "send") {
    const [to, token] = [body.to as Address, body.token as Address];
    return { kind: "send", ...sendOrderOf({ ...body, to, token }) };
  }
  if (body.kind === "withdrawPayout") {
    const [token, to] = [body.token as Address, (body.to ?? account) as Address];
    return { kind: "withdrawPayout", token, to, force: body.force };
  }
  const channelId = body.channelId as ChannelId;
  if (body.kind === "close") return { kind: "close", channelId, mode: body.mode };
  return { kind: body.kind, channelId, amount: BigInt(body.amount) };
}

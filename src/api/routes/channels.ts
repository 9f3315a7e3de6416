import type { z } from "zod";
import type { ChannelInfo } from "../../node/node.ts";
import type { Address, ChannelId } from "../../protocol/index.ts";
import { ApiError } from "../error.ts";
import type { Handlers } from "../handler.ts";
import type { Order } from "../operationRecord.ts";
import type { Channel } from "../schema/channel.ts";

/** Channels looked at for one page, whatever of them it shows: a page may be short and go on. */
const MAX_READ = 5_000;

type Names =
  | "channels"
  | "channel"
  | "openChannel"
  | "deposit"
  | "withdraw"
  | "close"
  | "send"
  | "withdrawPayout";

export const channelsHandlers: Handlers<Names> = {
  channels: async ({ query, signal }, { node }) => {
    const { limit, cursor, peer, token, phase } = query;
    const after = cursor === undefined ? undefined : cursorOf(cursor);
    const items: z.input<typeof Channel>[] = [];
    let read = 0;
    const all = node.channels({ after, signal, ...(peer !== undefined && { peer: peer as Address }) });
    for await (const info of all) {
      const wanted = (token === undefined || info.token === token) && (phase ?? info.phase) === info.phase;
      if (wanted) items.push(shownChannel(info));
      if (items.length === limit || ++read === MAX_READ) return { items, next: info.channelId };
    }
    return { items };
  },

  channel: async ({ params }, { node }) => shownChannel(await node.channel(params.channelId as ChannelId)),

  openChannel: async ({ body, caller, idempotencyKey }, { operations }) => {
    const { peer, token, deposit, requestDeposit, challengePeriod } = body;
    return operations.start(caller, idempotencyKey, {
      kind: "open",
      peer: peer.startsWith("/") ? peer : peer.toLowerCase(),
      token: token as Address,
      amount: deposit,
      requestDeposit,
      challengePeriod,
    });
  },

  deposit: async ({ params, body, caller, idempotencyKey }, { node, operations }) => {
    const order = { kind: "deposit", channelId: params.channelId as ChannelId, amount: body.amount } as const;
    return started(await known(node, order), caller, idempotencyKey, operations);
  },

  withdraw: async ({ params, body, caller, idempotencyKey }, { node, operations }) => {
    const order = {
      kind: "withdraw",
      channelId: params.channelId as ChannelId,
      amount: body.amount,
    } as const;
    return started(await known(node, order), caller, idempotencyKey, operations);
  },

  close: async ({ params, body, caller, idempotencyKey }, { node, operations }) => {
    const order = { kind: "close", channelId: params.channelId as ChannelId, mode: body.mode } as const;
    return started(await known(node, order), caller, idempotencyKey, operations);
  },

  send: async ({ body, caller, idempotencyKey }, { operations }) => {
    const { amount, force } = body;
    const [to, token] = [body.to as Address, body.token as Address];
    return started({ kind: "send", to, token, amount, force }, caller, idempotencyKey, operations);
  },

  withdrawPayout: async ({ body, caller, idempotencyKey }, { node, operations }) => {
    const { force, token, to = node.account } = body;
    const order = { kind: "withdrawPayout", token: token as Address, to: to as Address, force } as const;
    return started(order, caller, idempotencyKey, operations);
  },
};

type Calls = Parameters<(typeof channelsHandlers)["deposit"]>;

function started(
  order: Order,
  caller: Calls[0]["caller"],
  idempotencyKey: string,
  operations: Calls[1]["operations"],
) {
  return operations.start(caller, idempotencyKey, order);
}

/** Throws `channel_unknown` before anything is kept. */
async function known<Of extends Order & { readonly channelId: ChannelId }>(
  node: Calls[1]["node"],
  order: Of,
): Promise<Of> {
  await node.channel(order.channelId);
  return order;
}

function cursorOf(cursor: string): ChannelId {
  if (!/^0x[0-9a-f]{64}$/.test(cursor)) throw new ApiError({ code: "cursor_invalid", fields: {} });
  return cursor as ChannelId;
}

function shownChannel(info: ChannelInfo): z.input<typeof Channel> {
  const { channelId, peer, token, phase, connected, challengePeriod, closeDeadline, paidOut } = info;
  return {
    channelId,
    peer,
    token,
    phase,
    connected,
    sendCapacity: `${info.sendCapacity}`,
    receiveCapacity: `${info.receiveCapacity}`,
    sent: `${info.sent}`,
    received: `${info.received}`,
    deposits: sides(info.deposits),
    withdrawn: sides(info.withdrawn),
    challengePeriod,
    ...(closeDeadline !== undefined && { closeDeadline: Number(closeDeadline) }),
    ...(paidOut !== undefined && { paidOut: sides(paidOut) }),
  };
}

function sides([ours, theirs]: readonly [bigint, bigint]) {
  return { ours: `${ours}`, theirs: `${theirs}` };
}

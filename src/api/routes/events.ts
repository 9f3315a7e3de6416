import type { z } from "zod";
import type { EventType } from "../../node/history/eventRecord.ts";
import type { HistoryEvent } from "../../node/history/history.ts";
import type { Caller } from "../caller.ts";
import { ApiError } from "../error.ts";
import type { Told } from "../eventStreams.ts";
import type { ApiContext, Handlers } from "../handler.ts";
import { Event } from "../schema/event.ts";
import type { Operation } from "../schema/operation.ts";
import { shownApproval, shownDecision } from "./limits.ts";
import { shownPayment } from "./payments.ts";
import { requestOfEvent } from "./requests.ts";

type ToldDecision = Parameters<typeof shownDecision>[0];
type ToldApproval = Parameters<typeof shownApproval>[0];

const TYPES = new Set<string>(Event.options.map((option) => option.shape.type.value));

export const eventsHandlers: Handlers<"events"> = {
  events: async ({ query, lastEventId, caller, signal }, api) => {
    const { node, streams } = api;
    // What the reader saw last is newer than where it began.
    const from = node.history.cursorOf(lastEventId ?? query.after);
    const types = typesOf(query.types);
    const events = node.history.events({ after: from, types, signal });
    return {
      mediaType: "text/event-stream",
      body: streams.stream(caller, from, told(events, caller, api), signal),
    };
  },
};

function typesOf(text: string | undefined): EventType[] | undefined {
  if (text === undefined) return undefined;
  const types = text.split(",");
  const unknown = types.find((type) => !TYPES.has(type));
  if (unknown !== undefined) {
    const reason = `no type ${unknown}; there are ${[...TYPES].join(", ")}`;
    throw new ApiError({ code: "request_invalid", fields: { part: "query", path: "/types", reason } });
  }
  return types as EventType[];
}

/** Others' budgets and held payments are not for every reader. */
async function* told(
  events: AsyncIterable<HistoryEvent>,
  caller: Caller,
  api: ApiContext,
): AsyncGenerator<Told> {
  for await (const event of events) {
    const { type } = event;
    const isSpending = type === "decision" || type === "approval";
    if (isSpending && !api.accessTokens.isOwn(caller, (event.data as { spender?: string }).spender)) continue;
    yield { cursor: event.cursor, type, data: await shown(event, api) };
  }
}

/** What an event is on the wire, as schema/event.ts has it. */
async function shown(event: HistoryEvent, api: ApiContext): Promise<z.input<typeof Event>> {
  const { cursor, type } = event;
  const at = { cursor, time: Math.floor(event.time / 1000) };
  switch (type) {
    case "payment":
      return { ...at, type, payment: shownPayment(event.payment) };
    case "channel":
      return { ...at, type, channelId: event.channelId, phase: event.phase };
    case "request":
      return { ...at, type, request: await requestOfEvent(event.data, api) };
    case "operation":
      return { ...at, type, operation: event.data as Operation };
    case "decision":
      return { ...at, type, decision: shownDecision(event.data as ToldDecision) };
    case "approval":
      return { ...at, type, approval: shownApproval(event.data as ToldApproval) };
    default:
      return { ...at, type, ...(event.data as object) } as z.input<typeof Event>;
  }
}

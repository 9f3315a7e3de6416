import type { z } from "zod";
import type { EventType } from "../../node/history/eventRecord.ts";
import type { HistoryEvent } from "../../node/history/history.ts";
import { ApiError } from "../error.ts";
import type { Told } from "../eventStreams.ts";
import type { Handlers } from "../handler.ts";
import { Event } from "../schema/event.ts";
import { shownPayment } from "./payments.ts";

const TYPES = new Set<string>(Event.options.map((option) => option.shape.type.value));

export const eventsHandlers: Handlers<"events"> = {
  events: async ({ query, lastEventId, caller, signal }, { node, streams }) => {
    // What the reader saw last is newer than where it began.
    const after = lastEventId ?? query.after;
    const types = typesOf(query.types);
    const events = node.history.events({ after, types, signal });
    return {
      mediaType: "text/event-stream",
      body: streams.stream(caller.accessTokenId, told(events), signal),
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

async function* told(events: AsyncIterable<HistoryEvent>): AsyncGenerator<Told> {
  for await (const event of events) yield { cursor: event.cursor, type: event.type, data: shown(event) };
}

function shown(event: HistoryEvent): z.input<typeof Event> {
  const { cursor, type } = event;
  const at = { cursor, time: Math.floor(event.time / 1000) };
  switch (type) {
    case "payment":
      return { ...at, type, payment: shownPayment(event.payment) };
    case "channel":
      return { ...at, type, channelId: event.channelId, phase: event.phase };
    case "dispute":
    case "peer":
    case "warning":
      return { ...at, type, ...(event.data as object) } as z.input<typeof Event>;
    default:
      return { ...at, type, [type]: event.data } as unknown as z.input<typeof Event>;
  }
}

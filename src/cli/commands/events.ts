import type { Command } from "commander";
import type { Event, Operation } from "../../client/index.ts";
import { coinText } from "../fieldsText.ts";
import { stepText } from "../operation.ts";
import type { Run } from "../run.ts";
import type { Shell } from "../shell.ts";
import { safe, short, timeText } from "../text.ts";

/** Without `--follow`: this long nothing new means that everything kept was shown. */
const CAUGHT_UP_MS = 700;

/** How long the first one may take. */
const FIRST_MS = 3_000;

interface EventsOptions {
  readonly follow?: boolean;
  readonly after?: string;
  readonly types?: string;
}

export function registerEvents(program: Command, run: Run): void {
  program
    .command("events")
    .description("what happened, in order; --follow goes on with what happens")
    .option("-f, --follow", "go on, over restarts of the node too")
    .option(
      "--after <cursor>",
      "behind this event; by default from the oldest kept, or from now with --follow",
    )
    .option("--types <types>", "only these, separated by commas")
    .addHelpText(
      "after",
      "\nExamples:\n  $ rivulet events\n  $ rivulet events --follow --types payment,warning --json\n",
    )
    .action(run(events));
}

async function events(shell: Shell, options: EventsOptions): Promise<void> {
  const client = await shell.client();
  const follow = options.follow === true;
  const done = new AbortController();
  const signal = AbortSignal.any([shell.signal, done.signal]);
  let timer: NodeJS.Timeout | undefined;
  const after = options.after ?? (follow ? undefined : "0");
  const types = options.types?.split(",") as Event["type"][] | undefined;
  const onReconnect = () => shell.note("connection lost; trying again …");
  // A node that does not answer is a failure, not a node without events.
  await client.status({ signal: shell.signal });
  if (!follow) timer = setTimeout(() => done.abort(), FIRST_MS);
  try {
    for await (const event of client.events({ after, types, signal, onReconnect })) {
      clearTimeout(timer);
      shell.line(event, await eventText(shell, event));
      if (follow) continue;
      timer = setTimeout(() => done.abort(), CAUGHT_UP_MS);
    }
  } catch (error) {
    if (!done.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** One event in one line. */
async function eventText(shell: Shell, event: Event): Promise<string> {
  const tokens = await shell.tokens();
  const line = (text: string) => `${timeText(event.time)}  ${event.type.padEnd(9)} ${safe(text)}`;
  switch (event.type) {
    case "payment": {
      const { direction, amount, token, peer, label } = event.payment;
      const verb = direction === "sent" ? "sent to" : "received from";
      return line(
        `${await tokens.show(amount, token)} ${verb} ${short(peer)}${label === undefined ? "" : ` (${label})`}`,
      );
    }
    case "channel":
      return line(`${short(event.channelId)} is ${event.phase}`);
    case "dispute":
      return line(`${short(event.channelId)} ${event.action}: ${deadlineText(event.detail)}`);
    case "request":
      return line(`${event.request.state}: ${event.request.description || short(event.request.paymentHash)}`);
    case "operation":
      return line(`${event.operation.kind} ${event.operation.operationId}: ${howFar(event.operation)}`);
    case "approval":
      return line(
        `payment to ${short(event.approval.peer)} is ${event.approval.state}: ${event.approval.reason}`,
      );
    case "decision":
      return line(`${event.decision.verdict} by ${event.decision.rule}: ${event.decision.reason}`);
    case "peer":
      return line(
        `${short(event.signer)} ${event.connected ? "connected" : `left${event.reason ? `: ${event.reason}` : ""}`}`,
      );
    case "warning":
      return line(`${event.code}: ${await coinText(shell, event.message)}`);
  }
}

/** Until when a close can be answered, as times are shown. */
function deadlineText(detail: string): string {
  return detail.replace(/^deadline ([0-9]+)$/, (_, seconds: string) => `until ${timeText(Number(seconds))}`);
}

function howFar(operation: Operation): string {
  const { state, progress } = operation;
  return state === "running" && progress !== undefined ? stepText(operation) : state;
}

import type { Logger } from "pino";
import { Repeats } from "../p2p/repeats.ts";
import type { NodeContext } from "./context.ts";
import type { NodeEvents } from "./events.ts";

type Warning = NodeEvents["warning"][0];

/**
 * The same `emit`, which tells of warnings with one code about one channel only the first few of every minute, and then
 * how many more there were: a lying peer must not bury what an operator has to see.
 */
export function boundWarnings(emit: NodeContext["emit"], stopping: AbortSignal): NodeContext["emit"] {
  const warnings = new Repeats<Warning>({
    tell: (warning) => emit("warning", warning),
    summarize: (last, count) => ({ ...last, message: `${last.message} (${andMore(count)})` }),
  });
  stopping.addEventListener("abort", () => warnings.flush(), { once: true });
  return (name, ...args) => {
    if (name !== "warning") {
      emit(name, ...args);
      return;
    }
    const warning = args[0] as Warning;
    warnings.tell(warning.code, warning.channelId ?? "", warning);
  };
}

interface Trouble {
  readonly fields: object;
  readonly message: string;
}

/** One per log, for as long as there is the log. */
const troubles = new WeakMap<Logger, Repeats<Trouble>>();

/** Logs what goes wrong for every channel while a server is away: the first few of every minute, and how many more. */
export function logTrouble(log: Logger, fields: object, message: string): void {
  let repeats = troubles.get(log);
  if (repeats === undefined) {
    repeats = new Repeats<Trouble>({
      tell: (trouble) => log.warn(trouble.fields, trouble.message),
      summarize: (last, count) => ({ ...last, message: `${last.message} (${andMore(count)})` }),
    });
    troubles.set(log, repeats);
  }
  repeats.tell(message, "", { fields, message });
}

function andMore(count: number): string {
  return `and ${count} more like it within a minute`;
}

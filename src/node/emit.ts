import type { NodeContext } from "./context.ts";
import type { NodeEvents } from "./events.ts";
import type { History } from "./history/history.ts";
import type { RivuletNode } from "./node.ts";

/**
 * Tells what happens to log, history and listeners. What a listener throws becomes an uncaught exception of its own,
 * outside whatever told it. Warnings nobody listens to wait until the node has `begun`: most are told once.
 */
export function emitOf(
  events: RivuletNode,
  history: History,
  log: NodeContext["log"],
  begun: Promise<void>,
): NodeContext["emit"] {
  let hasBegun = false;
  void begun.then(() => {
    hasBegun = true;
  });
  const emit: NodeContext["emit"] = (name, ...args) => {
    try {
      (events.emit as (name: string, ...args: unknown[]) => boolean)(name, ...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
  return (name, ...args) => {
    history.hear(name, args[0]);
    if (name === "warning") {
      const { message, ...fields } = args[0] as NodeEvents["warning"][0];
      log.warn(fields, message);
      if (!hasBegun && events.listenerCount(name) === 0) {
        void begun.then(() => emit(name, ...args));
        return;
      }
    }
    emit(name, ...args);
  };
}

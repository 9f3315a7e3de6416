import type { ServerResponse } from "node:http";

/** What ends the calls that are running, when the node stops. */
export class RunningCalls {
  readonly #calls = new Set<AbortController>();
  #reason: DOMException | undefined;

  /** Aborts when the client has gone or `endAll` is called. Made only for calls that ask for it. */
  signalOf(response: ServerResponse): AbortSignal {
    const controller = new AbortController();
    if (this.#reason !== undefined) {
      controller.abort(this.#reason);
      return controller.signal;
    }
    this.#calls.add(controller);
    response.once("close", () => {
      this.#calls.delete(controller);
      if (!response.writableFinished) controller.abort(new DOMException("the client has gone", "AbortError"));
    });
    return controller.signal;
  }

  endAll(): void {
    this.#reason = new DOMException("the node is stopping", "AbortError");
    for (const controller of this.#calls) controller.abort(this.#reason);
    this.#calls.clear();
  }
}

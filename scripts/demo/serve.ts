import type { Calls, Reply, Request } from "./control.ts";

/** A method without a result may resolve with anything: it is not looked at. */
type Answer<Result> = Promise<Result extends undefined ? unknown : Result>;

type Handlers<C extends Calls<C>> = {
  readonly [Method in keyof C]: (params: C[Method]["params"]) => Answer<C[Method]["result"]>;
};

/**
 * Answers what the demo asks of this process, and ends with it: when the demo is gone, however it went, so are the
 * processes it started. Ctrl-C reaches all of them at once and is left to the demo.
 */
export function serve<C extends Calls<C>>(handlers: Handlers<C>): void {
  process.on("SIGINT", () => {});
  process.once("disconnect", () => process.exit());
  process.on("message", ({ id, method, params }: Request) => {
    const handler = (handlers as Record<string, ((params: unknown) => Promise<unknown>) | undefined>)[method];
    const answer = handler === undefined ? Promise.reject(new Error(`no method ${method}`)) : handler(params);
    answer.then(
      (result) => tell({ id, result }),
      (error: unknown) => tell({ id, error: described(error) }),
    );
  });
}

/** Sends to the demo, if it is still there. */
export function tell(message: Reply | { readonly kind: string }): void {
  if (process.connected) process.send?.(message);
}

function described(error: unknown): { code: string | undefined; message: string } {
  const { code } = error as { code?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  return { code: typeof code === "string" ? code : undefined, message };
}

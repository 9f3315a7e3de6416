import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 10;

/** Looks until `wanted` is true. Rejects with the signal's reason, or saying what did not happen in time. */
export async function eventually(
  what: string,
  wanted: () => boolean | Promise<boolean>,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: number },
): Promise<void> {
  const end = Date.now() + patience;
  while (!(await wanted())) {
    signal.throwIfAborted();
    if (Date.now() > end) throw new Error(`${what}: not within ${patience / 1_000} s`);
    await sleep(LOOK_MS);
  }
}

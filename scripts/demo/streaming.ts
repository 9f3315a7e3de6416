import type { Book, Name } from "./orders.ts";
import type { Stage } from "./stage.ts";
import { NAMES } from "./verdict.ts";
import { eventually } from "./wait.ts";

/** Payments of one stream that may wait for their receipts at once. */
export const WINDOW = 128;

/** How long a payment may take that nothing holds up. */
const ARRIVAL_MS = 30_000;

/** A run of orders of one book. */
export interface Run {
  readonly book: Book;
  readonly from: number;
  readonly to: number;
}

/** Has the book's owner pay these orders, all of the run by default; resolves with latencies in microseconds. */
export async function payRun(
  stage: Stage,
  run: Run,
  { indices = indicesOf(run), window = WINDOW }: { indices?: readonly number[]; window?: number } = {},
): Promise<Uint32Array> {
  const { book } = run;
  const channelId = stage.channels[book.asset];
  const { latencies } = await stage.parties[book.payer].pay(channelId, book, indices, window);
  return latencies;
}

function indicesOf({ from, to }: Run): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** Waits for the applications to have told of everything they paid and received. */
export async function arrived(stage: Stage): Promise<void> {
  const { tally, signal } = stage;
  await eventually("every payment's arrival", () => tally.complete, { signal, patience: ARRIVAL_MS });
}

/** Receipts the tally has, of all books or of one application's. */
export function paidSoFar(stage: Stage, payer?: Name): number {
  const names = payer === undefined ? NAMES : [payer];
  let paid = 0;
  for (const totals of stage.tally.totals()) if (names.includes(totals.book.payer)) paid += totals.paid;
  return paid;
}

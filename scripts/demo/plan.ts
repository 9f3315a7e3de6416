/** How many payments each step makes. */
export interface Plan {
  /** One at a time, before the stream: what a payment takes when nothing is in its way. */
  readonly single: number;
  /** Of the stream, per book: four of them, together what was asked for. */
  readonly stream: readonly number[];
  /** Around the crash, per book. */
  readonly crash: number;
  /** Between the cheat's backup and his close: from the cheat, and to him. */
  readonly hidden: number;
  readonly forgotten: number;
  /** No book ever gets more orders than this. */
  readonly mostPerBook: number;
}

const BOOKS = 4;

/** Fewer would be paid before anybody could pull a plug. */
const LEAST_CRASH = 2_000;

export function planOf(payments: number): Plan {
  const share = Math.floor(payments / BOOKS);
  const stream = Array.from({ length: BOOKS }, (_, book) => share + (book < payments % BOOKS ? 1 : 0));
  const crash = Math.max(LEAST_CRASH, Math.ceil(payments / 40));
  const single = 200;
  const hidden = 500;
  const forgotten = 100;
  return { single, stream, crash, hidden, forgotten, mostPerBook: single + stream[0]! + crash + hidden };
}

import { type Book, orderAmount, orderId } from "./orders.ts";

/** What the applications saw of one book. Amounts in the token's base unit. */
export interface BookTotals {
  readonly book: Book;
  readonly ordered: number;
  /** Orders that the paying application has a receipt for. */
  readonly paid: number;
  readonly paidAmount: bigint;
  /** Payments that the payee's application was told of. */
  readonly received: number;
  readonly receivedAmount: bigint;
}

interface Page {
  readonly book: Book;
  ordered: number;
  /** Per order: how often a receipt came, how often the payment did. */
  receipts: Uint8Array;
  arrivals: Uint8Array;
  paid: number;
  paidAmount: bigint;
  received: number;
  receivedAmount: bigint;
}

/** Problems listed one by one; the rest is counted. */
const MAX_LISTED = 20;

/**
 * What the applications ordered, paid and received, by id. It hears from applications alone and never looks into a
 * node's database: it is what the chain has to agree with.
 */
export class Tally {
  readonly #pages: Page[];
  readonly #places = new Map<string, { readonly page: Page; readonly index: number }>();
  readonly #contradictions: string[] = [];
  #moreContradictions = 0;

  constructor(books: readonly Book[]) {
    this.#pages = books.map((book) => ({
      book,
      ordered: 0,
      receipts: new Uint8Array(0),
      arrivals: new Uint8Array(0),
      paid: 0,
      paidAmount: 0n,
      received: 0,
      receivedAmount: 0n,
    }));
  }

  /** Adds the next `count` orders of a book and returns their range. */
  order(book: Book, count: number): { readonly from: number; readonly to: number } {
    const page = this.#page(book);
    const from = page.ordered;
    const to = from + count;
    page.receipts = grown(page.receipts, to);
    page.arrivals = grown(page.arrivals, to);
    for (let index = from; index < to; index++) this.#places.set(orderId(book, index), { page, index });
    page.ordered = to;
    return { from, to };
  }

  /** The paying application got receipts for these orders. Paying again after a crash gives one more each. */
  paid(book: Book, indices: Iterable<number>): void {
    const page = this.#page(book);
    for (const index of indices) {
      if (index >= page.ordered) {
        this.#contradict(`a receipt for order ${index} of book ${book.number}, which nobody made`);
      } else if (page.receipts[index] === 0) {
        page.receipts[index] = 1;
        page.paid++;
        page.paidAmount += orderAmount(book, index);
      }
    }
  }

  /** The payee's application was told of a payment on the channel of `book`, in its direction. */
  received(book: Book, id: string, amount: bigint): void {
    const page = this.#page(book);
    page.received++;
    page.receivedAmount += amount;
    const place = this.#places.get(id);
    if (place === undefined || place.page !== page) {
      this.#contradict(`payment ${id} arrived, which nobody ordered there`);
      return;
    }
    const { index } = place;
    if (++page.arrivals[index]! > 1) this.#contradict(`payment ${id} arrived more than once`);
    const due = orderAmount(book, index);
    if (amount !== due) this.#contradict(`payment ${id} arrived with ${amount} instead of ${due}`);
  }

  /** Orders of a book from `from` on, without a receipt. */
  unpaid(book: Book, from: number): number[] {
    const { receipts, ordered } = this.#page(book);
    const open: number[] = [];
    for (let index = from; index < ordered; index++) if (receipts[index] === 0) open.push(index);
    return open;
  }

  totals(): BookTotals[] {
    return this.#pages.map(({ book, ordered, paid, paidAmount, received, receivedAmount }) => {
      return { book, ordered, paid, paidAmount, received, receivedAmount };
    });
  }

  /** Every order has a receipt and arrived. */
  get complete(): boolean {
    return this.#pages.every(({ ordered, paid, received }) => paid === ordered && received >= ordered);
  }

  /** Everything in which the two applications and the orders do not agree, in words. Empty: all is well. */
  problems(): string[] {
    const found = [...this.#contradictions];
    let more = this.#moreContradictions;
    for (const { book, ordered, receipts, arrivals } of this.#pages) {
      for (let index = 0; index < ordered; index++) {
        const lost = arrivals[index] === 0;
        if (!lost && receipts[index] === 1) continue;
        const what = lost
          ? receipts[index] === 1
            ? "was paid and lost"
            : "was never paid"
          : "has no receipt";
        if (found.length < MAX_LISTED) found.push(`payment ${orderId(book, index)} ${what}`);
        else more++;
      }
    }
    return more === 0 ? found : [...found, `and ${more} more`];
  }

  #page(book: Book): Page {
    const page = this.#pages.find((candidate) => candidate.book.number === book.number);
    if (page === undefined) throw new Error(`book ${book.number} is not in this tally`);
    return page;
  }

  #contradict(problem: string): void {
    if (this.#contradictions.length < MAX_LISTED) this.#contradictions.push(problem);
    else this.#moreContradictions++;
  }
}

function grown(old: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length);
  larger.set(old);
  return larger;
}

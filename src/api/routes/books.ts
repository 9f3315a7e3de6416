import { NodeError } from "../../node/error.ts";
import type { Address } from "../../protocol/index.ts";
import type { Handlers } from "../handler.ts";

/** Seconds at the API, milliseconds in the books. */
function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

export const booksHandlers: Handlers<"books" | "statement"> = {
  books: async (call, { node, questions }) => {
    const balances = await questions.ask("books", call, (asked) => node.books.trialBalance(asked));
    return {
      items: balances.map(({ token, accounts, books, channels, wallet, escrow, balanced }) => ({
        token,
        accounts: accounts.map(({ account, balance }) => ({ account, balance: `${balance}` })),
        books: `${books}`,
        channels: `${channels}`,
        ...(wallet !== undefined && { wallet: `${wallet}` }),
        escrow: `${escrow}`,
        balanced,
      })),
    };
  },

  statement: async ({ query, caller, signal }, { node, statements }) => {
    const { format, from, to, peer, token, label } = query;
    const filter = {
      from: milliseconds(from),
      to: milliseconds(to),
      peer: peer as Address | undefined,
      token: token as Address | undefined,
      label,
    };
    const over = statements.take(caller);
    if (over === undefined) {
      throw new NodeError({ code: "queue_full", fields: { limit: BigInt(statements.most) } });
    }
    // Also when nobody ever reads it.
    signal.addEventListener("abort", over, { once: true });
    return {
      mediaType: format === "json" ? "application/json" : "text/csv",
      fileName: `rivulet-statement.${format}`,
      body: ending(node.books.statement(format, filter, signal), over),
    };
  },
};

async function* ending(pieces: AsyncIterable<string>, over: () => void): AsyncGenerator<string> {
  try {
    yield* pieces;
  } finally {
    over();
  }
}

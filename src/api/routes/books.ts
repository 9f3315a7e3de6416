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
      items: balances.map(({ token, accounts, books, channels, wallet, balanced }) => ({
        token,
        accounts: accounts.map(({ account, balance }) => ({ account, balance: `${balance}` })),
        books: `${books}`,
        channels: `${channels}`,
        ...(wallet !== undefined && { wallet: `${wallet}` }),
        balanced,
      })),
    };
  },

  statement: async ({ query, signal }, { node }) => {
    const { format, from, to, peer, token, label } = query;
    const filter = {
      from: milliseconds(from),
      to: milliseconds(to),
      peer: peer as Address | undefined,
      token: token as Address | undefined,
      label,
    };
    return {
      mediaType: format === "json" ? "application/json" : "text/csv",
      fileName: `rivulet-statement.${format}`,
      body: node.books.statement(format, filter, signal),
    };
  },
};

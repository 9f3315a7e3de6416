import type { Handlers } from "./handler.ts";
import { accessTokensHandlers } from "./routes/accessTokens.ts";
import { backupHandlers } from "./routes/backup.ts";
import { booksHandlers } from "./routes/books.ts";
import { channelsHandlers } from "./routes/channels.ts";
import { eventsHandlers } from "./routes/events.ts";
import { limitsHandlers } from "./routes/limits.ts";
import { nodeHandlers } from "./routes/node.ts";
import { operationsHandlers } from "./routes/operations.ts";
import { paymentsHandlers } from "./routes/payments.ts";
import { peersHandlers } from "./routes/peers.ts";
import { quotesHandlers } from "./routes/quotes.ts";
import { requestsHandlers } from "./routes/requests.ts";
import { tokensHandlers } from "./routes/tokens.ts";

/** Every route's handler, by noun. */
export const HANDLERS: Handlers = {
  ...nodeHandlers,
  ...peersHandlers,
  ...tokensHandlers,
  ...channelsHandlers,
  ...quotesHandlers,
  ...operationsHandlers,
  ...paymentsHandlers,
  ...requestsHandlers,
  ...eventsHandlers,
  ...booksHandlers,
  ...backupHandlers,
  ...accessTokensHandlers,
  ...limitsHandlers,
};

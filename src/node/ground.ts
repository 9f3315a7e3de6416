import type { FeePolicy } from "../chain/fees.ts";
import type { createCrypto } from "../crypto/create.ts";
import type { deriveKeys } from "../crypto/keys.ts";
import type { Database } from "../store/database.ts";
import type { Backup } from "./backup/backup.ts";
import type { BookJournal } from "./books/journal.ts";
import type { ChainAlarms } from "./chainAlarms.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import type { NodeOptions } from "./options.ts";
import type { Peers } from "./peers.ts";
import type { Records } from "./records.ts";
import type { Recovery } from "./recovery.ts";
import type { RequestParts } from "./requests/createRequests.ts";
import type { Upkeep } from "./upkeep.ts";

/** What everything else stands on. */
export interface Ground {
  readonly options: NodeOptions;
  readonly urls: readonly string[];
  readonly fees: FeePolicy;
  readonly now: () => number;
  readonly log: NodeContext["log"];
  readonly crypto: Awaited<ReturnType<typeof createCrypto>>;
  readonly keys: ReturnType<typeof deriveKeys>;
  readonly database: Database;
  readonly records: Records;
  readonly bookJournal: BookJournal;
}

/** Parts that are called by others made before them, and by none before the node has started. */
export interface Parts {
  readonly channels: Channels;
  readonly peers: Peers;
  readonly recovery: Recovery;
  readonly upkeep: Upkeep;
  readonly alarms: ChainAlarms;
  readonly requests: RequestParts;
  readonly backup: Backup;
}

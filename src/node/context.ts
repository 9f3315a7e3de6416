import type { Logger } from "pino";
import type { Escrow } from "../chain/escrow.ts";
import type { Address, ChannelId, LedgerPorts } from "../protocol/index.ts";
import type { GroupCommit } from "../store/groupCommit.ts";
import type { StoreReader } from "../store/store.ts";
import type { Backlog } from "./backlog.ts";
import type { ProofCopy } from "./backup/proofCopy.ts";
import type { BookJournal } from "./books/journal.ts";
import type { ChainSync } from "./chainSync.ts";
import type { NodeEvents } from "./events.ts";
import type { History } from "./history/history.ts";
import type { Records } from "./records.ts";
import type { Judgement, RequestBook } from "./requests/requestBook.ts";
import type { Reservations } from "./reservations.ts";

/** What every part of the node works with. Made once by `createNode`, never changed. */
export interface NodeContext {
  readonly ports: LedgerPorts;
  readonly store: StoreReader;
  readonly committer: GroupCommit;
  /** What stands on the node beside its channels. */
  readonly records: Records;
  /** Notes what the chain moved of our money, in the batch that makes it count. */
  readonly bookJournal: BookJournal;
  /** What happened, for whoever asks later. */
  readonly history: History;
  /** Keeps the newest incoming proofs in a second place, if there is one. */
  readonly proofCopy: ProofCopy | undefined;
  /** What incoming payments pay. */
  readonly requests: RequestBook;
  /** A batch that decided about payments is written: what follows from it may be done. */
  readonly judged: (channelId: ChannelId, judgement: Judgement) => void;
  readonly chain: ChainSync;
  /** What of the account's money is promised to what is being done. */
  readonly reservations: Reservations;
  readonly escrow: Escrow;
  readonly chainId: bigint;
  /** Owns deposits and pays gas. */
  readonly account: Address;
  readonly signer: Address;
  /** Tells the application. What its listeners throw is theirs, and never reaches the ledger. */
  readonly emit: <Name extends keyof NodeEvents>(name: Name, ...args: NodeEvents[Name]) => void;
  readonly listens: (name: keyof NodeEvents) => boolean;
  readonly log: Logger;
  readonly signEach: boolean;
  readonly backlog: Backlog;
  /** Aborted when the node stops. */
  readonly stopping: AbortSignal;
  /** Something happened after which nothing may be signed: the node stops and says why. */
  readonly fail: (error: unknown) => void;
  /** Both sides of a channel have compared notes on a session. */
  readonly established: (channelId: ChannelId) => void;
  /** A channel must be looked after when time passes or blocks come. */
  readonly attend: (channelId: ChannelId, attention: boolean) => void;
}

import type { Database } from "../../store/database.ts";
import type { Channels } from "../channels.ts";
import { DEFAULT_KEPT_EVENTS, type NodeOptions } from "../options.ts";
import type { Records } from "../records.ts";
import { ChannelFactsReader } from "./channelFacts.ts";
import { EventLog } from "./eventLog.ts";
import { History } from "./history.ts";
import { Labels } from "./labels.ts";

/** Opens the log if it is wanted, and gives what makes the history once the channels are there to be asked. */
export async function openHistory(
  { store, committer, integrity }: Database,
  wanted: NodeOptions["eventLog"],
): Promise<(records: Records, channels: () => Channels, stopping: AbortSignal) => History> {
  let log: EventLog | undefined;
  if (wanted === undefined) await EventLog.leave(store, committer);
  else {
    const keep = wanted.keep ?? DEFAULT_KEPT_EVENTS;
    log = await EventLog.open({ store, committer, losses: integrity.epoch, keep });
  }
  return (records, channels, stopping) =>
    new History({
      store,
      committer,
      log,
      stopping,
      labels: new Labels(records, store),
      channels: new ChannelFactsReader(store, (id) => channels().peek(id)?.state),
      isKnown: (signer) => channels().ofPeer(signer).size > 0,
    });
}

import type { Database } from "../../store/database.ts";
import type { Channels } from "../channels.ts";
import { DEFAULT_KEPT_EVENTS, type NodeOptions } from "../options.ts";
import { Records } from "../records.ts";
import { backfill, forgetIndex } from "./backfill.ts";
import { ChannelFactsReader } from "./channelFacts.ts";
import { EventLog } from "./eventLog.ts";
import { History } from "./history.ts";

interface Around {
  readonly channels: () => Channels;
  readonly stopping: AbortSignal;
  readonly fail: (error: unknown) => void;
}

/** Opens the log if it is wanted, and gives what makes the history once the channels are there to be asked. */
export async function openHistory(
  { store, committer, integrity }: Database,
  wanted: NodeOptions["eventLog"],
): Promise<(around: Around) => History> {
  const records = new Records(store, committer);
  const parts = { store, committer, records };
  let log: EventLog | undefined;
  if (wanted === undefined) {
    await EventLog.leave(store, committer);
    await forgetIndex(parts);
  } else {
    const keep = wanted.keep ?? DEFAULT_KEPT_EVENTS;
    log = await EventLog.open({ store, committer, losses: integrity.epoch, keep });
  }
  return ({ channels, stopping, fail }) => {
    if (log !== undefined) {
      backfill(parts, stopping).catch((error: unknown) => {
        if (!stopping.aborted) fail(error);
      });
    }
    return new History({
      ...parts,
      log,
      stopping,
      channels: new ChannelFactsReader(store, (id) => channels().peek(id)?.state),
      channelsOf: (peer) => channels().ofPeer(peer),
      isKnown: (signer) => channels().ofPeer(signer).size > 0,
    });
  };
}

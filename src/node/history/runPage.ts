import type { Address, ChannelId, ChannelState } from "../../protocol/index.ts";
import { updateKey } from "../../store/keys.ts";
import type { StoreReader } from "../../store/store.ts";
import type { ChannelFacts, ChannelFactsReader } from "./channelFacts.ts";
import { type Direction, directionOf } from "./listedPayment.ts";
import { decodeRun, type IndexedRun } from "./paymentIndex.ts";
import { type StoredUpdate, stored } from "./updatePages.ts";

/** Which runs a list wants. */
export interface RunFilter {
  readonly direction?: Direction | undefined;
  readonly channelId?: ChannelId | undefined;
  /** The other side's signer. */
  readonly peer?: Address | undefined;
  readonly token?: Address | undefined;
}

/** A run of a page, with what is needed to list it; only `run` for one that is not wanted. */
export interface ReadRun {
  readonly run: IndexedRun;
  readonly facts?: ChannelFacts | undefined;
  readonly state?: ChannelState | undefined;
  /** Its update, if it is one of a single one and was read with the others. */
  readonly single?: StoredUpdate | undefined;
}

export function wantsChannel({ channelId, peer, token }: RunFilter, facts: ChannelFacts): boolean {
  return (
    (channelId === undefined || channelId === facts.channelId) &&
    (peer === undefined || peer === facts.peer) &&
    (token === undefined || token === facts.token)
  );
}

/**
 * Runs of the index in `range`, newest first, with the channels and updates of the first `ahead` that are wanted: read
 * together, since one read costs as much as many.
 */
export async function readRuns(
  store: StoreReader,
  channels: ChannelFactsReader,
  range: { readonly gte: Uint8Array; readonly lt: Uint8Array; readonly limit: number },
  filter: RunFilter,
  ahead: number,
): Promise<ReadRun[]> {
  const runs: IndexedRun[] = [];
  for await (const [key, value] of store.range({ ...range, reverse: true })) runs.push(decodeRun(key, value));
  const { channelId, direction } = filter;
  const ids = runs.flatMap((run) =>
    channelId === undefined || channelId === run.channelId ? run.channelId : [],
  );
  const facts = await channels.allFacts(ids);
  const isWanted = (run: IndexedRun) => {
    const of = facts.get(run.channelId);
    if (of === undefined || !wantsChannel(filter, of)) return false;
    return direction === undefined || direction === directionOf(of, run.payer);
  };
  const next = runs.filter(isWanted).slice(0, ahead);
  const states = await channels.states(next.map((run) => run.channelId));
  const singles = next.filter(({ from, to }) => from === to);
  const keys = singles.map((run) => updateKey(facts.get(run.channelId)!.idBytes, run.payer, run.to));
  const bytes = await store.getMany(keys);
  const updates = new Map(singles.map((run, at) => [run, bytes[at]]));
  return runs.map((run) => {
    if (!isWanted(run)) return { run };
    const single = updates.get(run);
    return {
      run,
      facts: facts.get(run.channelId),
      state: states.get(run.channelId),
      single: single && stored(single),
    };
  });
}

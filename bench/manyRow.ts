import type { ChannelId } from "rivulet";
import type { Manner, Route } from "./control.ts";
import { measurePaying, type Paid, paramsOf, rateOf } from "./measurePaying.ts";
import type { BenchOptions } from "./options.ts";
import { type Measured, median, rounded } from "./row.ts";
import { type Party, World } from "./world.ts";

const PEERS = 10;
const CHANNELS = 1_000;
const QUICK_CHANNELS = 20;

/** Channels of one peer opened at once: deposits of one account go one after the other, and each block has all others looked at. */
const OPENING = 2;

/**
 * The same for every channel, whether there are ten or a thousand: so many payments a call, one call after the other.
 * What is compared is what a payment costs when it comes over one of many channels.
 */
const MANNER = { kind: "batches", size: 100, inFlight: 1 } as const satisfies Manner;

/** Opens `count` channels from one node of `payers`, on chain, a few at a time. */
async function openAll(
  world: World,
  payers: Party,
  payee: Party,
  node: number,
  count: number,
): Promise<Route> {
  const channelIds: ChannelId[] = [];
  let begun = 0;
  const opening = Array.from({ length: OPENING }, async () => {
    while (begun++ < count) channelIds.push(await world.open(payers, payee, node));
  });
  await Promise.all(opening);
  return { node, channelIds };
}

/** Many channels to one payee: ten payers, each a node with its own keys and database, in one process. */
export function payMany(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [payers, payee] = await Promise.all([
      world.party("payers", { nodes: PEERS }),
      world.party("payee"),
    ]);
    const channels = options.quick ? QUICK_CHANNELS : CHANNELS;
    const routes = await Promise.all(
      payers.nodes.map((_, node) => openAll(world, payers, payee, node, channels / PEERS)),
    );
    const few = routes.map(({ node, channelIds }) => ({ node, channelIds: channelIds.slice(0, 1) }));
    const ends = { payer: payers.host, payee: payee.host, manner: MANNER };
    const ten = await measurePaying(options, [{ ...ends, routes: few }]);
    const all = await measurePaying(options, [{ ...ends, routes }]);
    const rateOfTen = median(ten.map(rateOf));
    const cpuOf = (paid: readonly Paid[]) =>
      median(paid.map(({ payerCpu, payeeCpu }) => payerCpu + payeeCpu));
    const params = {
      channels,
      peers: PEERS,
      paymentsPerCall: MANNER.size,
      callsInFlightPerChannel: MANNER.inFlight,
      signEach: false,
      ...paramsOf(all),
      withTenChannels: rounded(rateOfTen),
      // What a payment costs over all the channels by what it costs over ten of them: in time, in processor time.
      costRatio: rounded(rateOfTen / median(all.map(rateOf))),
      cpuRatio: rounded(cpuOf(all) / cpuOf(ten)),
    };
    return [{ name: "pay-many", unit: "/s", values: all.map(rateOf), params }] as const;
  });
}

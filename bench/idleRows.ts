import { compare } from "./measurePaying.ts";
import type { BenchOptions } from "./options.ts";
import { type Measured, median, rounded } from "./row.ts";
import { seedChannels } from "./seed.ts";
import { type Party, World } from "./world.ts";

const CHANNELS = 100_000;
const QUICK_CHANNELS = 1_000;
const PEERS = 1_000;

/** What happens on chain while the node is down: blocks, and deposits into a channel it has. */
const BLOCKS_MISSED = 1_000;
const DEPOSITS_MISSED = 20;

function channelsOf({ quick }: BenchOptions): number {
  return quick ? QUICK_CHANNELS : CHANNELS;
}

/** Adds idle channels to the database of a party's node, whose process has ended. */
async function seed(world: World, party: Party, channels: number): Promise<void> {
  await seedChannels({
    directory: party.starts[0]!.directory,
    owner: party.nodes[0]!,
    chain: world.chain.place,
    channels,
    peers: PEERS,
  });
}

/** From the start of the process to the acknowledgement of its first payment. */
export function restart(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [party, payee] = await Promise.all([world.party("node"), world.party("payee")]);
    const channelId = await world.open(party, payee);
    const peer = payee.nodes[0]!.address;
    await party.host.call("payFirst", { peer, channelId });
    await compare(party.host, payee.host);
    await party.host.end();
    const channels = channelsOf(options) - 1;
    await seed(world, party, channels);
    const total: number[] = [];
    const ready: number[] = [];
    for (let run = 0; run < options.runs; run++) {
      await payee.host.call("topUp", { channelId, amount: 1n, times: DEPOSITS_MISSED });
      await world.chain.mine(BLOCKS_MISSED);
      const started = performance.now();
      const host = world.host("restarted node");
      await host.call("start", party.starts);
      ready.push(performance.now() - started);
      await host.call("payFirst", { peer, channelId });
      total.push(performance.now() - started);
      await compare(host, payee.host);
      await host.end();
    }
    const params = {
      channels: channels + 1,
      peers: PEERS,
      blocksMissed: BLOCKS_MISSED,
      depositsMissed: DEPOSITS_MISSED,
      untilListening: rounded(median(ready)),
    };
    return [{ name: "restart", unit: "ms", values: total, params }] as const;
  });
}

/** What an idle channel takes of the process's memory. */
export function memory(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const party = await world.party("node");
    await party.host.end();
    const measure = async () => {
      const host = world.host("node", ["--expose-gc"]);
      await host.call("start", party.starts);
      const taken = await host.call("memory", undefined);
      await host.end();
      return taken;
    };
    const without = [];
    for (let run = 0; run < options.runs; run++) without.push(await measure());
    const channels = channelsOf(options);
    await seed(world, party, channels);
    const base = median(without.map(({ resident }) => resident));
    const baseHeap = median(without.map(({ heapUsed }) => heapUsed));
    const perChannel: number[] = [];
    const heap: number[] = [];
    for (let run = 0; run < options.runs; run++) {
      const { resident, heapUsed } = await measure();
      perChannel.push((resident - base) / channels);
      heap.push((heapUsed - baseHeap) / channels);
    }
    const params = { channels, peers: PEERS, residentWithout: base, heapPerChannel: rounded(median(heap)) };
    return [{ name: "memory", unit: "bytes", values: perChannel, params }] as const;
  });
}

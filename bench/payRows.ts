import type { Manner } from "./control.ts";
import { type Flow, measurePaying, paramsOf, rateOf } from "./measurePaying.ts";
import type { BenchOptions } from "./options.ts";
import { type Measured, median, quantile, rounded } from "./row.ts";
import { DEPOSIT, World } from "./world.ts";

const IN_FLIGHT = 256;

const EACH = { kind: "each", inFlight: IN_FLIGHT } as const satisfies Manner;

/** One payment after the other would take minutes to be compiled as a node is that has run for a while. */
const WARM_UP = { kind: "each", inFlight: 4 } as const satisfies Manner;

/** Enough payments per call that calls are few, enough calls in flight that the queue is never empty. */
const STREAM = { kind: "batches", size: 1_000, inFlight: 32 } as const satisfies Manner;

interface PairOptions {
  readonly manner: Manner;
  readonly signEach: boolean;
  readonly match?: bigint;
}

/** A payer and a payee, each in a process of its own, with one channel: payments there, and those back. */
async function pair(world: World, { manner, signEach, match = 0n }: PairOptions): Promise<[Flow, Flow]> {
  const [payer, payee] = await Promise.all([
    world.party("payer", { signEach }),
    world.party("payee", { signEach }),
  ]);
  const channelIds = [await world.open(payer, payee, 0, match)];
  const routes = [{ node: 0, channelIds }];
  return [
    { payer: payer.host, payee: payee.host, routes, manner },
    { payer: payee.host, payee: payer.host, routes, manner },
  ];
}

/** One channel, one payment at a time. */
export function paySequential(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [there] = await pair(world, { manner: { kind: "sequential" }, signEach: false });
    const all = await measurePaying(options, [{ ...there, warmUp: WARM_UP }]);
    const params = { inFlight: 1, ...paramsOf(all), perSecond: rounded(median(all.map(rateOf))) };
    const at = (p: number) => all.map(({ latencies }) => quantile(latencies, p) * 1000);
    return [
      { name: "pay-sequential/p50", unit: "µs", values: at(0.5), params },
      { name: "pay-sequential/p99", unit: "µs", values: at(0.99), params },
    ] as const;
  });
}

/** One channel, a signature per payment. */
export function paySigned(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [there] = await pair(world, { manner: EACH, signEach: true });
    const all = await measurePaying(options, [there]);
    const params = { inFlight: IN_FLIGHT, signEach: true, ...paramsOf(all) };
    return [{ name: "pay-signed", unit: "/s", values: all.map(rateOf), params }] as const;
  });
}

/** One channel, payments covered by as few signatures as it takes. */
export function payStream(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [there] = await pair(world, { manner: STREAM, signEach: false });
    const all = await measurePaying(options, [there]);
    const params = {
      paymentsPerCall: STREAM.size,
      callsInFlight: STREAM.inFlight,
      signEach: false,
      ...paramsOf(all),
    };
    return [{ name: "pay-stream", unit: "/s", values: all.map(rateOf), params }] as const;
  });
}

/** Both directions of one channel at once, a signature per payment; beside it one direction of the same channel. */
export function payDuplex(options: BenchOptions): Promise<readonly Measured[]> {
  return World.with(options, async (world) => {
    const [there, back] = await pair(world, { manner: EACH, signEach: true, match: DEPOSIT });
    const one = await measurePaying(options, [there]);
    const both = await measurePaying(options, [there, back]);
    const signed = median(one.map(rateOf));
    const params = {
      inFlightEachWay: IN_FLIGHT,
      signEach: true,
      ...paramsOf(both),
      oneWay: rounded(signed),
      ratio: rounded(median(both.map(rateOf)) / signed),
    };
    return [{ name: "pay-duplex", unit: "/s", values: both.map(rateOf), params }] as const;
  });
}

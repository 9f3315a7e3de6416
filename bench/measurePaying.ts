import type { Effort, Manner, PayResult, Route } from "./control.ts";
import type { NodeHost } from "./nodeHost.ts";
import type { BenchOptions } from "./options.ts";
import { median, rounded } from "./row.ts";
import { assertSamePayments } from "./tally.ts";

/** How long a run is measured, and how long payments run before, so that compilers have done their work. */
const MEASURE_MS = 3_000;
const WARM_UP_MS = 10_000;
const QUICK_MS = 150;

/** Payments in one direction between two processes. */
export interface Flow {
  readonly payer: NodeHost;
  readonly payee: NodeHost;
  /** The process that asks the payer to pay, if it is not the payer's own. */
  readonly caller?: NodeHost;
  readonly routes: readonly Route[];
  readonly manner: Manner;
  /** How payments are made to warm up, if otherwise than measured. */
  readonly warmUp?: Manner;
}

/** One run of all flows at once. */
export interface Paid {
  readonly payments: number;
  /** From the first payment of any flow until the last acknowledgement of any. */
  readonly milliseconds: number;
  readonly latencies: Float64Array;
  /** Synced batches at the payees. */
  readonly syncs: number;
  /** Processor time of the first flow's two processes, µs per payment. */
  readonly payerCpu: number;
  readonly payeeCpu: number;
}

/** Pays for a while to warm up, then once per run. After each, what was paid is compared with what was seen. */
export async function measurePaying(options: BenchOptions, flows: readonly Flow[]): Promise<readonly Paid[]> {
  const { quick } = options;
  const warming = flows.map((flow) => ({ ...flow, manner: flow.warmUp ?? flow.manner }));
  await payOnce(warming, quick ? QUICK_MS : WARM_UP_MS);
  const all: Paid[] = [];
  for (let i = 0; i < options.runs; i++) all.push(await payOnce(flows, quick ? QUICK_MS : MEASURE_MS));
  return all;
}

async function payOnce(flows: readonly Flow[], milliseconds: number): Promise<Paid> {
  const before = await effortOf(flows);
  const results = await Promise.all(
    flows.map(({ payer, caller = payer, routes, manner }) =>
      caller.call("pay", { routes, manner, milliseconds }),
    ),
  );
  const efforts = (await effortOf(flows)).map(({ payer, payee }, at) => ({
    syncs: payee.synced - before[at]!.payee.synced,
    payer: payer.cpu - before[at]!.payer.cpu,
    payee: payee.cpu - before[at]!.payee.cpu,
  }));
  if (efforts.some(({ syncs }) => syncs === 0)) {
    throw new Error("refused: a payee acknowledged payments without a synced write");
  }
  const payments = await compareAll(flows, results);
  return {
    payments,
    milliseconds: Math.max(...results.map((result) => result.milliseconds)),
    latencies: results[0]!.latencies,
    syncs: efforts.reduce((sum, { syncs }) => sum + syncs, 0),
    payerCpu: efforts[0]!.payer / payments,
    payeeCpu: efforts[0]!.payee / payments,
  };
}

function effortOf(flows: readonly Flow[]): Promise<{ readonly payer: Effort; readonly payee: Effort }[]> {
  return Promise.all(
    flows.map(async ({ payer, payee }) => ({
      payer: await payer.call("effort", undefined),
      payee: await payee.call("effort", undefined),
    })),
  );
}

/** What the payers' applications made against what the payees' applications were told, payment by payment. */
async function compareAll(flows: readonly Flow[], results: readonly PayResult[]): Promise<number> {
  let payments = 0;
  for (const [at, { payer, caller = payer, payee }] of flows.entries()) {
    const compared = await compare(caller, payee);
    const { payments: paid } = results[at]!;
    if (compared !== paid) throw new Error(`${paid} payments were made and ${compared} noted`);
    payments += compared;
  }
  return payments;
}

/** Throws unless the payee was told of exactly what the payer made. Returns how many payments that were. */
export async function compare(payer: NodeHost, payee: NodeHost): Promise<number> {
  const [sent, seen] = await Promise.all([payer.call("sent", undefined), payee.call("seen", undefined)]);
  return assertSamePayments(sent, seen);
}

export function rateOf({ payments, milliseconds }: Paid): number {
  return (payments * 1000) / milliseconds;
}

/** What every row of payments says of its runs. */
export function paramsOf(all: readonly Paid[]): Readonly<Record<string, number>> {
  const middle = (of: (paid: Paid) => number) => rounded(median(all.map(of)));
  return {
    payments: all.reduce((sum, { payments }) => sum + payments, 0),
    paymentsPerSync: middle(({ payments, syncs }) => payments / syncs),
    payerCpuMicros: middle(({ payerCpu }) => payerCpu),
    payeeCpuMicros: middle(({ payeeCpu }) => payeeCpu),
  };
}

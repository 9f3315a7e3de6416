import { duration, grouped } from "./format.ts";
import type { Stage } from "./stage.ts";
import { arrived, paidSoFar, payRun, type Run, WINDOW } from "./streaming.ts";

export interface StreamResult {
  readonly payments: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** At that rate. */
  readonly latency: Latency;
  /** One at a time. */
  readonly idleLatency: Latency;
}

/** From the call to the receipt, microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

const PROGRESS_MS = 100;

/** 2. Payments both ways at once on both channels, each with its own id. */
export async function streamStep(stage: Stage): Promise<StreamResult> {
  const { screen, plan, tally, books } = stage;
  const payments = plan.stream.reduce((sum, count) => sum + count, 0);
  screen.begin(`${grouped(payments)} payments, both ways at once on both channels`);
  const idleLatency = await payOneByOne(stage);
  const before = paidSoFar(stage);
  const runs = books.map((book, at): Run => ({ book, ...tally.order(book, plan.stream[at]!) }));
  const started = performance.now();
  const since = () => (performance.now() - started) / 1_000;
  const timer = setInterval(() => {
    const paid = paidSoFar(stage) - before;
    screen.progress(`${bar(paid / payments)} ${grouped(paid)}, ${grouped(Math.round(paid / since()))}/s`);
  }, PROGRESS_MS);
  let latencies: Uint32Array[];
  let seconds: number;
  try {
    latencies = await Promise.all(runs.map((run) => payRun(stage, run)));
    seconds = since();
    await arrived(stage);
  } finally {
    clearInterval(timer);
  }
  const perSecond = Math.round(payments / seconds);
  const latency = percentiles(latencies);
  screen.finish(
    `${grouped(perSecond)} payments/s, each signed for and on the payee's disk; latency p50 ${duration(latency.p50)}, ` +
      `p99 ${duration(latency.p99)} with ${runs.length * WINDOW} in flight, and one at a time ` +
      `p50 ${duration(idleLatency.p50)}, p99 ${duration(idleLatency.p99)}`,
  );
  return { payments, seconds, perSecond, latency, idleLatency };
}

async function payOneByOne(stage: Stage): Promise<Latency> {
  const book = stage.bookOf("native", "alice");
  const run = { book, ...stage.tally.order(book, stage.plan.single) };
  return percentiles([await payRun(stage, run, { window: 1 })]);
}

function percentiles(runs: readonly Uint32Array[]): Latency {
  const all = new Uint32Array(runs.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const run of runs) {
    all.set(run, offset);
    offset += run.length;
  }
  all.sort();
  const at = (share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

function bar(share: number): string {
  const full = Math.round(share * 20);
  return "█".repeat(full) + "░".repeat(20 - full);
}

import { duration, grouped } from "./format.ts";
import type { Stage } from "./stage.ts";
import { arrived, indicesOf, paidSoFar, payRun, type Run, WINDOW } from "./streaming.ts";

export interface StreamResult {
  readonly payments: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** From the call to the receipt, microseconds. */
  readonly latency: { readonly p50: number; readonly p99: number };
}

const PROGRESS_MS = 100;

/** 2. Payments both ways at once on both channels, each with its own id. */
export async function streamStep(stage: Stage): Promise<StreamResult> {
  const { screen, plan, tally, books } = stage;
  const payments = plan.stream.reduce((sum, count) => sum + count, 0);
  screen.begin(`${grouped(payments)} payments, both ways at once on both channels`);
  const runs = books.map((book, at): Run => ({ book, ...tally.order(book, plan.stream[at]!) }));
  const started = performance.now();
  const since = () => (performance.now() - started) / 1_000;
  const timer = setInterval(() => {
    const paid = paidSoFar(stage);
    screen.progress(`${bar(paid / payments)} ${grouped(paid)}, ${grouped(Math.round(paid / since()))}/s`);
  }, PROGRESS_MS);
  let latencies: Uint32Array[];
  let seconds: number;
  try {
    latencies = await Promise.all(runs.map((run) => payRun(stage, run, indicesOf(run))));
    seconds = since();
    await arrived(stage);
  } finally {
    clearInterval(timer);
  }
  const perSecond = Math.round(payments / seconds);
  const latency = percentiles(latencies);
  screen.finish(
    `${grouped(perSecond)} payments/s, each acknowledged on disk; with ${runs.length * WINDOW} in flight the latency ` +
      `is p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}`,
  );
  return { payments, seconds, perSecond, latency };
}

function percentiles(runs: readonly Uint32Array[]): StreamResult["latency"] {
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

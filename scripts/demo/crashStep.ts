import { grouped } from "./format.ts";
import type { Stage } from "./stage.ts";
import { arrived, paidSoFar, payRun, type Run } from "./streaming.ts";
import { NAMES } from "./verdict.ts";
import { eventually } from "./wait.ts";

export interface CrashResult {
  readonly payments: number;
  /** Given to a node and without a receipt at the moment of the kill. */
  readonly unacknowledged: { readonly alice: number; readonly bob: number };
  /** Orders that Bob's application gave to its node again or for the first time after the crash. */
  readonly resumed: number;
  /** From the kill to the restarted node's answer. */
  readonly downMs: number;
}

const PATIENCE_MS = 60_000;

/** Reports of payments are at most this old. */
const REPORTED_MS = 50;

/**
 * 3. Bob is killed while he pays and is paid on both channels, so both directions are cut. Alice's node keeps her
 * payments and finishes them by itself; Bob's application pays what it has no receipt for again, under the same ids.
 */
export async function crashStep(stage: Stage): Promise<CrashResult> {
  const { screen, plan, tally, books, parties, signal } = stage;
  const { alice, bob } = parties;
  screen.begin("SIGKILL to a node that pays and is paid");
  const before = { alice: paidSoFar(stage, "alice"), bob: paidSoFar(stage, "bob") };
  const runs = books.map((book): Run => ({ book, ...tally.order(book, plan.crash) }));
  const flows = runs.map((run) => ({ run, flow: payRun(stage, run) }));
  const underWay = (name: "alice" | "bob") => paidSoFar(stage, name) - before[name] > plan.crash / 4;
  const flowing = eventually("payments under way", () => NAMES.every(underWay), {
    signal,
    patience: PATIENCE_MS,
  });
  await Promise.race([flowing, failureOf(flows.map(({ flow }) => flow))]);
  const killed = performance.now();
  await bob.kill();
  const bobs = bob.unacknowledged;
  await new Promise((resolve) => setTimeout(resolve, REPORTED_MS));
  const unacknowledged = { alice: alice.unacknowledged, bob: bobs };
  const open = `${grouped(bobs)} of his payments and ${grouped(unacknowledged.alice)} to him unacknowledged`;
  screen.progress(`bob killed with ${open}; starting him again`);
  await bob.start();
  const downMs = Math.round(performance.now() - killed);
  let resumed = 0;
  for (const entry of flows) {
    if (entry.run.book.payer !== "bob") continue;
    const again = tally.unpaid(entry.run.book, entry.run.from);
    resumed += again.length;
    entry.flow = payRun(stage, entry.run, { indices: again });
    entry.flow.catch(() => {}); // awaited below
  }
  await Promise.all(flows.map(({ flow }) => flow));
  await arrived(stage);
  screen.finish(`bob killed with ${open}; back after ${(downMs / 1_000).toFixed(1)} s: ${verdictOf(stage)}`);
  return { payments: plan.crash * runs.length, unacknowledged, resumed, downMs };
}

/** Rejects with the first failure; what fails later is somebody else's to await. */
function failureOf(flows: readonly Promise<unknown>[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const flow of flows) flow.catch(reject);
  });
}

function verdictOf({ tally }: Stage): string {
  const problems = tally.problems();
  return problems.length === 0 ? "none lost, none doubled" : problems.join(", ");
}

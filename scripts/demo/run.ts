import { type CheatResult, cheatStep } from "./cheatStep.ts";
import { closeStep } from "./closeStep.ts";
import { type Cost, costOf } from "./cost.ts";
import { type CrashResult, crashStep } from "./crashStep.ts";
import { grouped } from "./format.ts";
import { openStep } from "./openStep.ts";
import type { DemoOptions } from "./options.ts";
import type { Asset, Name } from "./orders.ts";
import type { Screen } from "./screen.ts";
import { type Stage, setStage } from "./stage.ts";
import { type StreamResult, streamStep } from "./streamStep.ts";
import { ASSETS, judge, type Purse, type Verdict } from "./verdict.ts";

export interface DemoResult {
  readonly verdict: Verdict;
  /** All payments of all steps. */
  readonly payments: number;
  readonly stream: StreamResult;
  readonly crash: CrashResult;
  readonly cheat: CheatResult;
  readonly costs: readonly Cost[];
  readonly warnings: Stage["warnings"];
  readonly seconds: number;
  /** Where the nodes' files are, if they were kept. */
  readonly directory: string | undefined;
}

/** Runs the whole demo. Rejects with the signal's reason, or with what went wrong; nothing is left running. */
export async function runDemo(
  options: DemoOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<DemoResult> {
  const started = performance.now();
  screen.begin("A local chain with the escrow and a test token");
  const stage = await setStage(options.payments, screen, signal);
  try {
    const { chainId, escrow, block } = stage.place;
    screen.finish(`Hardhat, chain ${chainId}, block ${block}, escrow ${escrow}`);
    await openStep(stage);
    const stream = await streamStep(stage);
    const crash = await crashStep(stage);
    await closeStep(stage);
    const cheat = await cheatStep(stage);
    const { verdict, gas } = await settleAccounts(stage);
    const totals = stage.tally.totals();
    const costs = ASSETS.map((asset) => {
      const books = totals.filter(({ book }) => book.asset === asset);
      const payments = books.reduce((sum, { received }) => sum + received, 0);
      const volume = books.reduce((sum, { receivedAmount }) => sum + receivedAmount, 0n);
      return costOf({ asset, gas: gas[asset], payments, volume }, options.prices);
    });
    return {
      verdict,
      payments: totals.reduce((sum, { received }) => sum + received, 0),
      stream,
      crash,
      cheat,
      costs,
      warnings: stage.warnings,
      seconds: (performance.now() - started) / 1_000,
      directory: options.keep ? stage.directory : undefined,
    };
  } finally {
    await stage.strike(options.keep);
  }
}

/** Stops the nodes and asks the chain, which alone is believed. */
async function settleAccounts(
  stage: Stage,
): Promise<{ readonly verdict: Verdict; readonly gas: Readonly<Record<Asset, bigint>> }> {
  const { screen, parties, view, channels, accounts, tally, deposit, before } = stage;
  screen.begin("What was expected, and what the chain says");
  await Promise.all([parties.alice.stop(), parties.bob.stop()]);
  const facts = await view.facts(channels, accounts);
  const receipts = await view.receipts(accounts);
  const purse = (owner: Name): Purse => {
    const own = receipts.filter(({ name }) => name === owner);
    return { before: before[owner], gasPaid: own.reduce((sum, { receipt }) => sum + receipt.fee, 0n) };
  };
  const both = (asset: Asset) => ({ alice: deposit[asset], bob: deposit[asset] });
  const verdict = judge({
    totals: tally.totals(),
    problems: tally.problems(),
    deposits: { native: both("native"), token: both("token") },
    purses: { alice: purse("alice"), bob: purse("bob") },
    facts,
  });
  const gas = view.gasOf(
    receipts.map(({ receipt }) => receipt),
    channels,
  );
  screen.finish(`${grouped(verdict.checks.length)} amounts compared, ${receipts.length} transactions`);
  return { verdict, gas };
}

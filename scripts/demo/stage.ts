import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChainView } from "./chainView.ts";
import { Child, type ChildError } from "./child.ts";
import type { ChainCalls, ChainPlace, PeerNotice } from "./control.ts";
import { type Asset, type Book, MOST_UNITS, type Name } from "./orders.ts";
import { Party } from "./party.ts";
import { type Plan, planOf } from "./plan.ts";
import type { Screen } from "./screen.ts";
import { Tally } from "./tally.ts";
import { ASSETS, NAMES } from "./verdict.ts";

/** Seconds the other side has to answer a unilateral close; the demo lets the chain's time pass. */
export const CHALLENGE_PERIOD = 600;

/** Base units per unit of price. At 3,000 dollars per ETH both make an order cost $0.001 to $0.01. */
const UNITS: Readonly<Record<Asset, bigint>> = { native: 333_333_333n, token: 1n };

/** Deposits are rounded up to these, base units: a thousandth of an ETH, and a token. */
const STEPS: Readonly<Record<Asset, bigint>> = { native: 10n ** 15n, token: 10n ** 6n };

/** What each account starts with of both, beside its deposits: for gas, and to see that it is left alone. */
const POCKET_MONEY: Readonly<Record<Asset, bigint>> = { native: 10n ** 18n, token: 10n ** 6n };

/** Warnings kept for the report; a healthy run has a handful. */
const MAX_WARNINGS = 100;

/** Everything the steps of the demo work with. */
export interface Stage {
  readonly plan: Plan;
  readonly screen: Screen;
  /** Aborted from outside, or with the error of a process that ended though nobody asked it to. */
  readonly signal: AbortSignal;
  readonly directory: string;
  readonly tally: Tally;
  readonly books: readonly Book[];
  readonly parties: Readonly<Record<Name, Party>>;
  readonly place: ChainPlace;
  readonly view: ChainView;
  /** What each side deposits in each channel, base units. */
  readonly deposit: Readonly<Record<Asset, bigint>>;
  /** Channel ids, once they are open. */
  readonly channels: Record<Asset, string>;
  readonly accounts: Record<Name, string>;
  /** Balances before the first channel was opened. */
  readonly before: Record<Name, Readonly<Record<Asset, bigint>>>;
  /** What the nodes did about closes, in order. */
  readonly disputes: { readonly name: Name; readonly channelId: string; readonly action: string }[];
  readonly warnings: { readonly name: Name; readonly code: string; readonly message: string }[];
  bookOf(asset: Asset, payer: Name): Book;
  /** Ends every process, and removes every file unless they are to be kept. */
  strike(keep: boolean): Promise<void>;
}

/** Starts the chain with escrow and token, and gets two parties ready that do not run yet. */
export async function setStage(payments: number, screen: Screen, outer: AbortSignal): Promise<Stage> {
  const plan = planOf(payments);
  const lost = new AbortController();
  const signal = AbortSignal.any([outer, lost.signal]);
  const onLost = (error: ChildError) => lost.abort(error);
  const directory = await mkdtemp(join(tmpdir(), "rivulet-demo-"));
  const chain = new Child<ChainCalls>({ name: "the chain", module: "./chain.ts", signal, onLost });
  let place: ChainPlace;
  try {
    place = await chain.call("start", undefined);
  } catch (error) {
    await chain.kill();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const view = new ChainView(place);
  const run = randomBytes(8).toString("hex");
  const books = ASSETS.flatMap((asset, a) =>
    NAMES.map((payer, b): Book => ({ number: a * 2 + b, asset, payer, run, unit: UNITS[asset] })),
  );
  const tally = new Tally(books);
  const deposit = { native: depositFor("native", plan), token: depositFor("token", plan) };
  const disputes: Stage["disputes"] = [];
  const warnings: Stage["warnings"] = [];
  const onNotice = (name: Name, notice: PeerNotice) => {
    if (notice.kind === "dispute") disputes.push({ name, ...notice });
    else if (notice.kind === "warning" && warnings.length < MAX_WARNINGS) warnings.push({ name, ...notice });
  };
  const party = (name: Name) =>
    new Party({
      name,
      directory: join(directory, name),
      chain: place,
      challengePeriod: CHALLENGE_PERIOD,
      mostMatchingDeposit: deposit.native > deposit.token ? deposit.native : deposit.token,
      tally,
      books,
      signal,
      onNotice,
      onLost,
    });
  const parties = { alice: party("alice"), bob: party("bob") };
  return {
    plan,
    screen,
    signal,
    directory,
    tally,
    books,
    parties,
    place,
    view,
    deposit,
    channels: { native: "", token: "" },
    accounts: { alice: "", bob: "" },
    before: { alice: { native: 0n, token: 0n }, bob: { native: 0n, token: 0n } },
    disputes,
    warnings,
    bookOf: (asset, payer) => books.find((book) => book.asset === asset && book.payer === payer)!,
    strike: async (keep) => {
      view.close();
      await Promise.all([parties.alice.kill(), parties.bob.kill(), chain.kill()]);
      if (!keep) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What one application could spend if the other paid nothing: no payment ever waits for capacity. */
function depositFor(asset: Asset, { mostPerBook }: Plan): bigint {
  const most = BigInt(mostPerBook * MOST_UNITS) * UNITS[asset];
  const step = STEPS[asset];
  return ((most + step - 1n) / step) * step;
}

/** What an account is given: its deposit of each, and pocket money. */
export function funds(stage: Stage): Readonly<Record<Asset, bigint>> {
  const { deposit } = stage;
  return {
    native: deposit.native + POCKET_MONEY.native,
    token: deposit.token + POCKET_MONEY.token,
  };
}

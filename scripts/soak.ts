// Fails two nodes over and over for as long as it is told, and runs the long versions of other rooms' tests:
//   npm run soak -- [--minutes N] [--failures N] [--seed N] [--only crashes|rooms]
// Progress goes to standard error, the result as JSON to standard output. Exit code 1 at the first broken promise.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { type Arena, openArena } from "../test/e2e/faults/arena.ts";
import type { SeriesResult } from "../test/e2e/faults/crashSeries.ts";
import { liveThrough } from "../test/e2e/faults/wholeLife.ts";

/** Failures before a channel is closed and compared with the chain, and a new one opened. */
const FAILURES_PER_LIFE = 400;
/** Pairs at once: a failing node mostly waits for its disk and its peer. */
const LANES = 2;

interface Room {
  readonly name: string;
  readonly files: readonly string[];
  /** How much longer than usual. */
  readonly env: Readonly<Record<string, string>>;
}

const ROOMS: readonly Room[] = [
  { name: "protocol", files: ["test/protocol"], env: { RIVULET_RUNS: "20" } },
  { name: "store", files: ["test/store"], env: { RIVULET_KILLS: "50", RIVULET_FLIPS: "1000" } },
];

interface RoomResult {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly env: Readonly<Record<string, string>>;
}

type Counts = Record<string, number>;

/** What all series together did. */
interface Total {
  lives: number;
  failures: number;
  rounds: number;
  missed: number;
  payments: number;
  readonly byStep: Counts;
  readonly byFailure: Counts;
  readonly byVictim: Counts;
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

function addCounts(total: Counts, more: Readonly<Counts>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count;
}

function add(total: Total, result: SeriesResult): void {
  total.lives++;
  for (const name of ["failures", "rounds", "missed", "payments"] as const) total[name] += result[name];
  for (const name of ["byStep", "byFailure", "byVictim"] as const) addCounts(total[name], result[name]);
}

/** One lane: life after life until time or failures are used up. */
async function live(arena: Arena, lane: number, seed: number, limit: Limit, total: Total): Promise<void> {
  for (let life = 0; !limit.until.aborted && total.failures < limit.failures; life++) {
    const own = seed + LANES * life + lane;
    const ending = life % 2 === 0 ? "cooperative" : "unilateral";
    const failures = Math.min(FAILURES_PER_LIFE, limit.failures - total.failures);
    const result = await liveThrough(arena, `lane${lane}-${life}`, ending, {
      seed: own,
      failures,
      until: limit.until,
    });
    add(total, result);
    say(`seed ${own}: ${result.failures} failures, closed ${ending}; ${total.failures} in all`);
  }
}

interface Limit {
  readonly failures: number;
  readonly until: AbortSignal;
}

async function crashes(seed: number, limit: Limit): Promise<Total> {
  const total: Total = {
    lives: 0,
    failures: 0,
    rounds: 0,
    missed: 0,
    payments: 0,
    byStep: {},
    byFailure: {},
    byVictim: {},
  };
  const arena = await openArena();
  try {
    const lanes = Array.from({ length: LANES }, (_, lane) => live(arena, lane, seed, limit, total));
    // Also after a failure: nodes of the other lanes still write into what is removed at the end.
    const failed = (await Promise.allSettled(lanes)).find((lane) => lane.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  } finally {
    await arena.stop();
  }
  return total;
}

function runRoom({ name, files, env }: Room, seed: number): Promise<RoomResult> {
  const start = performance.now();
  say(`the long run of ${name}`);
  return new Promise((resolve, reject) => {
    const child = spawn("vitest", ["run", "--project", "unit", "--testTimeout", "3600000", ...files], {
      stdio: ["ignore", 2, 2],
      env: { ...process.env, ...env, RIVULET_SEED: String(seed) },
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      resolve({ name, ok: code === 0, seconds: Math.round((performance.now() - start) / 1000), env });
    });
  });
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} wants a number, not "${text}"`);
  return value;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      failures: { type: "string", default: "10000" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      only: { type: "string" },
    },
  });
  const seed = numberOf("seed", values.seed);
  const failures = numberOf("failures", values.failures);
  const minutes = numberOf("minutes", values.minutes);
  const start = performance.now();
  say(`seed ${seed}: up to ${failures} failures or ${minutes} minutes`);
  const limit = { failures, until: AbortSignal.timeout(minutes * 60_000) };
  const rooms: RoomResult[] = [];
  let total: Total | undefined;
  let broken: string | undefined;
  try {
    if (values.only !== "rooms") total = await crashes(seed, limit);
  } catch (error) {
    broken = String((error as Error).stack);
    say(broken);
  }
  if (values.only !== "crashes") for (const room of ROOMS) rooms.push(await runRoom(room, seed));
  const ok = broken === undefined && rooms.every((room) => room.ok);
  const seconds = Math.round((performance.now() - start) / 1000);
  process.stdout.write(
    `${JSON.stringify({ ok, seed, seconds, crashes: total, broken, rooms }, undefined, 2)}\n`,
  );
  return ok;
}

main().then(
  (ok) => process.exit(ok ? 0 : 1),
  (error: unknown) => {
    say(String((error as Error).stack ?? error));
    process.exit(1);
  },
);

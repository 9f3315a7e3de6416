import fc from "fast-check";
import type { Side } from "../../../src/protocol/index.ts";

/** One step of a model: what happens, to which side, and a number that the step takes its details from. */
export interface Action<Kind extends string> {
  readonly kind: Kind;
  readonly side: Side;
  readonly n: number;
}

/** Histories of a model; kinds come as often as their weights say. */
export function histories<Kind extends string>(
  weights: Readonly<Record<Kind, number>>,
  length: { readonly minLength: number; readonly maxLength: number },
): fc.Arbitrary<Action<Kind>[]> {
  const kinds = (Object.entries(weights) as [Kind, number][]).flatMap(([kind, weight]) =>
    Array.from({ length: weight }, () => kind),
  );
  const action = fc.record({
    kind: fc.constantFrom(...kinds),
    side: fc.constantFrom<Side>(0, 1),
    n: fc.nat(9999),
  });
  return fc.array(action, { ...length, size: "max" });
}

/** How many histories a property is tried on. */
export interface RunOptions {
  readonly seed: number;
  readonly numRuns: number;
  readonly path?: string;
  readonly endOnFailure?: boolean;
}

/** Milliseconds that a property may take, whatever its length. */
export const RUN_TIMEOUT = 60_000 * Math.max(1, Number(process.env.RIVULET_RUNS ?? 1));

/**
 * `RIVULET_SEED` replays a run (with `RIVULET_PATH`, one history of it), `RIVULET_RUNS` multiplies its length: 50 for
 * a soak. The seed is printed, whatever becomes of the run.
 */
export function runOptions(name: string, numRuns: number): RunOptions {
  const { RIVULET_SEED, RIVULET_PATH, RIVULET_RUNS } = process.env;
  const seed = RIVULET_SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(RIVULET_SEED);
  const runs = Math.max(1, Math.round(numRuns * Number(RIVULET_RUNS ?? 1)));
  console.log(`${name}: ${runs} histories, RIVULET_SEED=${seed}`);
  return RIVULET_PATH === undefined
    ? { seed, numRuns: runs }
    : { seed, numRuns: runs, path: RIVULET_PATH, endOnFailure: true };
}

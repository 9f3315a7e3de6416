import fc from "fast-check";
import { expect, it } from "vitest";
import { histories, RUN_TIMEOUT, runOptions } from "./model/action.ts";
import { HONEST_WEIGHTS, HonestWorld } from "./model/honestWorld.ts";
import { Reached } from "./model/reached.ts";

/** For a thousand histories: about half of what they reach. */
const WANTED = {
  "updates sent": 6000,
  cuts: 1200,
  kills: 600,
  "power losses": 800,
  "power losses of both": 350,
  "writes lost": 1500,
  behind: 130,
  caughtUp: 80,
  "updates returned": 250,
  evidence: 40,
  resent: 10,
  "held beyond a gap": 100,
  dropped: 130,
  duplicated: 130,
  reordered: 40,
  jumps: 500,
  "blocks reorganised": 800,
  "withdrawals proposed": 300,
  "withdrawals published": 40,
  "withdrawals lapsed": 130,
  stops: 120,
  "closes signed": 250,
  "closes lapsed": 10,
  "closed together": 200,
  "closed alone": 200,
  challenge: 200,
  settle: 400,
  "settled to the unit": 700,
  "settled with something in flight": 4,
};

it(
  "two honest nodes keep every acknowledged payment once, agree, and are paid what they own",
  () => {
    const reached = new Reached();
    const options = runOptions("honest", 1200);
    const history = histories(HONEST_WEIGHTS, { minLength: 0, maxLength: 240 });
    fc.assert(
      fc.property(history, fc.boolean(), fc.boolean(), (actions, together, drained) => {
        const world = new HonestWorld(reached);
        for (const action of actions) world.step(action);
        world.finish(together, drained);
      }),
      options,
    );
    console.log(String(reached));
    // One history that is replayed reaches what it reaches.
    const asked = options.path === undefined ? options.numRuns : 0;
    expect(reached.missing(WANTED, asked)).toEqual([]);
  },
  RUN_TIMEOUT,
);

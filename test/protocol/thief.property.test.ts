import fc from "fast-check";
import { expect, it } from "vitest";
import { histories, RUN_TIMEOUT, runOptions } from "./model/action.ts";
import { Reached } from "./model/reached.ts";
import { THIEF_WEIGHTS, ThiefWorld } from "./model/thiefWorld.ts";

/** For a thousand histories: about a third of what they reach. */
const WANTED = {
  "honest payments": 1800,
  forge: 500,
  overspend: 400,
  rewind: 250,
  replay: 250,
  lieAboutCredit: 250,
  lieOnReconnecting: 250,
  returnForged: 120,
  askTooMuch: 400,
  answerFalsely: 250,
  stopFalsely: 120,
  signFalsely: 250,
  swallow: 250,
  "published late": 60,
  "withdrawals published": 20,
  "withdrawals lapsed": 180,
  "closes agreed with the thief": 5,
  "closes lapsed": 3,
  "stale closes": 15,
  challenge: 300,
  behind: 120,
  caughtUp: 25,
  liability: 3,
  evidence: 50,
  "refused capacity_exceeded": 10,
  "refused signature_invalid": 40,
  "refused totals_mismatch": 90,
  "refused nonce_fork": 90,
  "refused returned_proof_invalid": 90,
  "refused withdrawal_exceeds_balance": 10,
  "refused close_totals_mismatch": 1,
  "honest side got exactly its own": 300,
  "honest side got more": 150,
};

it(
  "an honest node is paid what it owns whatever its counterparty says, signs, withholds or publishes",
  () => {
    const reached = new Reached();
    const options = runOptions("thief", 1500);
    const history = histories(THIEF_WEIGHTS, { minLength: 0, maxLength: 200 });
    fc.assert(
      fc.property(
        history,
        fc.constantFrom(0 as const, 1 as const),
        fc.constantFrom(1, 4, 12, 30),
        fc.nat(9999),
        (actions, honestSide, caution, n) => {
          const world = new ThiefWorld(honestSide, caution, reached);
          for (const action of actions) world.step(action);
          world.finish(n);
        },
      ),
      options,
    );
    console.log(String(reached));
    // One history that is replayed reaches what it reaches.
    const asked = options.path === undefined ? options.numRuns : 0;
    expect(reached.missing(WANTED, asked)).toEqual([]);
  },
  RUN_TIMEOUT,
);

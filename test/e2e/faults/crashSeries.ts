import { seededRandom } from "../../../dist/store/random.js";
import type { StoreChoice } from "./control.ts";
import { other, type Pair, type Who } from "./pair.ts";
import { PeerDied } from "./peerProcess.ts";
import { atPayer, FAILURES, type Failure, isLocal, STEPS, type Step } from "./steps.ts";
import { Broken } from "./tally.ts";
import type { ChunkFate } from "./wireProxy.ts";

export interface SeriesOptions {
  readonly seed: number;
  /** Ends after so many failures of a node. */
  readonly failures: number;
  /** Or when this is aborted, at the end of a round. */
  readonly until?: AbortSignal;
  /** The proof that the test can fail: syncs are taken for done, and only power fails, of both. */
  readonly ignoreSync?: boolean;
  readonly onRound?: (result: SeriesResult) => void;
}

export interface SeriesResult {
  readonly seed: number;
  /** Failures of a node; a round in which both fail counts two. */
  failures: number;
  rounds: number;
  /** Rounds whose step was not reached before all was paid: nothing failed in them. */
  missed: number;
  payments: number;
  readonly byStep: Record<Step, number>;
  readonly byFailure: Record<Failure, number>;
  readonly byVictim: Record<"payer" | "payee" | "both", number>;
}

interface Round {
  readonly step: Step;
  readonly count: number;
  readonly payer: Who;
  readonly victims: readonly Who[];
  readonly fate: ChunkFate;
  /** Both directions are loaded; not when the proxy has to tell updates from acknowledgements. */
  readonly duplex: boolean;
}

/** SIGKILL costs a new process: this share of the failures of a node whose power can go. */
const POWER_KILL_SHARE = 0.1;
/** The share of restarts on a plain database, whose next failure can only be SIGKILL. */
const PLAIN_SHARE = 0.2;
const ORDERS = 12;
const WIDTH = 3;

/** Fails two nodes over and over, everywhere between a payment's request and its acknowledgement. */
export class CrashSeries {
  readonly #options: SeriesOptions;
  readonly #random: () => number;
  readonly pair: Pair;
  readonly result: SeriesResult;
  /** The round's step was reached: the nodes are failing. */
  #striking = false;

  constructor(pair: Pair, options: SeriesOptions) {
    this.pair = pair;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const zero = <Key extends string>(keys: readonly Key[]) =>
      Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
    this.result = {
      seed: options.seed,
      failures: 0,
      rounds: 0,
      missed: 0,
      payments: 0,
      byStep: zero(STEPS),
      byFailure: zero(FAILURES),
      byVictim: zero(["payer", "payee", "both"]),
    };
  }

  /** Throws `Broken` at the first contradiction, with the seed and the round. */
  async run(): Promise<SeriesResult> {
    const { failures, until, seed, onRound } = this.#options;
    const { result, pair } = this;
    pair.forbidden = new Set([
      "database_lost_data",
      "internal_error",
      "nonce_fork",
      "nonce_gap",
      "returned_proof_invalid",
    ]);
    if (this.#options.ignoreSync)
      for (const player of this.pair.players) await this.#restart(player, "powerKill");
    if (this.#options.ignoreSync) await this.pair.settleIn();
    while (result.failures < failures && !until?.aborted) {
      const round = this.#plan();
      try {
        await this.#play(round);
      } catch (error) {
        const where = `seed ${seed}, round ${result.rounds}: ${JSON.stringify(round)}`;
        const warnings = this.pair.players.map(({ warnings }) => warnings.slice(-5));
        const detail = `${where}; warnings ${JSON.stringify(warnings)}`;
        throw new (error instanceof Broken ? Broken : Error)(`${(error as Error).message} (${detail})`, {
          cause: error,
        });
      }
      onRound?.(result);
    }
    await this.pair.read(true);
    await this.pair.assertWhole();
    return result;
  }

  #plan(): Round {
    const random = this.#random;
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    // Turn by turn, so that a short run reaches every step too.
    const step = STEPS[this.result.rounds % STEPS.length]!;
    const payer = pick([0, 1] as const);
    const both = this.#options.ignoreSync === true;
    const victims = both ? [payer, other(payer)] : pick([[payer], [other(payer)], [payer, other(payer)]]);
    return {
      step,
      count: 1 + Math.floor(random() * 3),
      payer,
      victims,
      fate: pick(["lost", "torn", "delivered"] as const),
      duplex: isLocal(step) && random() < 0.5,
    };
  }

  async #play(round: Round): Promise<void> {
    const { pair, result } = this;
    const { payer, duplex } = round;
    result.rounds++;
    const struck = Promise.withResolvers<void>();
    await this.#arm(round, () => this.#strike(round).then(struck.resolve, struck.reject));
    const amounts = () => BigInt(1 + Math.floor(this.#random() * 1000));
    const loads = ([0, 1] as const).flatMap((who) => {
      if (who !== payer && !duplex) return [];
      const orders = pair.orders(who, ORDERS, amounts);
      result.payments += orders.length;
      return [pair.pay(who, orders, WIDTH).catch(ofTheDead)];
    });
    // A payment whose payer lives on waits for its peer, so a struck round has to be ended by the strike.
    const ended = await Promise.race([
      Promise.all(loads).then(() => "paid"),
      struck.promise.then(() => "struck"),
    ]);
    if (ended === "paid" && !this.#striking) {
      result.missed++;
      await this.#disarm(round);
    } else {
      await struck.promise;
    }
    this.#striking = false;
    await pair.settleIn();
    await pair.resolve();
    await Promise.all(loads);
    await pair.assertWhole();
  }

  async #arm({ step, count, payer, fate }: Round, strike: () => Promise<void>): Promise<void> {
    const { pair } = this;
    if (isLocal(step)) {
      const who = atPayer(step) ? payer : other(payer);
      pair.onGate = (at) =>
        void strike().finally(() => pair.players[at].process?.call("pass", {}).catch(() => {}));
      await pair.players[who].call("arm", { step, count, side: pair.side(who) });
      return;
    }
    // The first dials the second, so what the first sends goes out.
    const forward = step === "update in flight" ? payer : other(payer);
    pair.wire.watch(forward === 0 ? "out" : "back", count, async () => {
      await strike();
      return fate;
    });
  }

  async #disarm({ step, payer }: Round): Promise<void> {
    const { pair } = this;
    pair.wire.unwatch();
    if (isLocal(step)) await pair.players[atPayer(step) ? payer : other(payer)].call("disarm", {});
  }

  async #strike({ step, victims, payer }: Round): Promise<void> {
    this.#striking = true;
    const { pair, result } = this;
    pair.wire.down = true;
    result.byStep[step]++;
    result.byVictim[victims.length === 2 ? "both" : victims[0] === payer ? "payer" : "payee"]++;
    const failing = victims.map((who) => {
      const player = pair.players[who];
      const failure = this.#failureOf(player.store!.kind);
      result.byFailure[failure]++;
      result.failures++;
      return { player, failure };
    });
    for (const { player, failure } of failing) if (failure !== "power") await player.kill();
    pair.wire.cut();
    await Promise.all(failing.map(({ player, failure }) => this.#restart(player, failure)));
    pair.wire.down = false;
  }

  #failureOf(kind: StoreChoice["kind"]): Failure {
    if (kind === "plain") return "kill";
    return this.#random() < POWER_KILL_SHARE ? "powerKill" : "power";
  }

  async #restart(player: Pair["players"][0], failure: Failure): Promise<void> {
    const store = this.#nextStore();
    if (failure === "power") {
      await player.crash(store);
      return;
    }
    await player.kill();
    await player.start(store);
  }

  #nextStore(): StoreChoice {
    const random = this.#random;
    const ignoreSync = this.#options.ignoreSync === true;
    const seed = Math.floor(random() * 2 ** 31);
    if (ignoreSync) return { kind: "power", seed, tail: "none", ignoreSync };
    const kind = random() < PLAIN_SHARE ? "plain" : "power";
    return { kind, seed, tail: random() < 0.5 ? "none" : "prefix", ignoreSync };
  }
}

/** The process that was to pay has failed, as it should; anything else has not. */
function ofTheDead(error: unknown): void {
  if (!(error instanceof PeerDied)) throw error;
}

import { HDNodeWallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Outcome } from "../../src/chain/intent.ts";
import type { Publisher } from "../../src/chain/publisher.ts";
import { logKey } from "../../src/chain/trail.ts";
import type { ChainNotice } from "../../src/chain/watcher.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import type { Fault } from "./support/faultProxy.ts";
import { random } from "./support/random.ts";
import {
  accountOf,
  contentsByNonce,
  openWorld,
  publisherFor,
  signal,
  TestStore,
  until,
  type Watched,
  type World,
  watch,
} from "./support/world.ts";

const STEPS = 40;
const CONFIRMATIONS = 2;
const SEEDS = (process.env.SEEDS ?? "1,2,3,4,5,6").split(",").map(Number);

/** One node's chain room that is killed, cut off and lied to while its chain reorganises. */
class Run {
  readonly notices: ChainNotice[] = [];
  readonly outcomes = new Map<string, Outcome>();
  readonly counts: Record<string, number> = {};
  readonly #world: World;
  readonly #random: (below: number) => number;
  readonly #watchStore = new TestStore();
  readonly #sendStore = new TestStore();
  readonly #account;
  readonly #channel;
  readonly #fromBlock: number;
  #watched!: Watched;
  #publisher!: Publisher;
  intents = 0;

  constructor(world: World, seed: number, fromBlock: number) {
    this.#world = world;
    this.#random = random(seed);
    this.#account = accountOf(HDNodeWallet.createRandom(), world.crypto);
    this.#channel = world.channel();
    this.#fromBlock = fromBlock;
  }

  get id() {
    return this.#channel.id;
  }

  async begin(): Promise<void> {
    await this.#world.rpc("anvil_setBalance", this.#account.address, "0xde0b6b3a7640000");
    await this.#world.rpc("anvil_mine", "0x10"); // so that no reorganisation takes the funds back
    await this.#start();
  }

  async #start(): Promise<void> {
    this.#watched = await watch(this.#world, this.#watchStore, {
      confirmations: CONFIRMATIONS,
      fromBlock: this.#fromBlock,
      knows: (id) => id === this.#channel.id,
      minPollMs: 8,
      maxPollMs: 8,
      handler: async (notice) => {
        // Now and then the consumer fails before it has stored the notice.
        if (this.#random(8) === 0) throw new Error("the consumer failed");
        this.notices.push(notice);
      },
    });
    this.#publisher = publisherFor(this.#world, this.#sendStore, this.#account, {
      confirmations: CONFIRMATIONS,
      pollMs: 8,
    });
    await this.#publisher.start();
    for (let i = 0; i < this.intents; i++) this.#submit(i);
  }

  async kill(): Promise<void> {
    await Promise.all([this.#watched.watcher.stop(), this.#publisher.stop()]);
  }

  #submit(i: number): void {
    const id = `deposit ${i}`;
    const { channel } = this.#channel;
    const call = this.#world.escrow.deposit(channel, channel.participant0, 10n ** BigInt(i % 12));
    this.#publisher.submit({ id, ...call }, { signal }).then(
      (outcome) => this.outcomes.set(id, outcome),
      () => {}, // killed: submitted again after the restart
    );
  }

  async step(): Promise<void> {
    const [name, act] = this.#choose();
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    await act();
    await new Promise((resolve) => setTimeout(resolve, this.#random(30)));
  }

  #choose(): [string, () => unknown] {
    const roll = this.#random(100);
    if (roll < 30) return ["submit", () => this.#submit(this.intents++)];
    if (roll < 60)
      return ["mine", () => this.#world.rpc("anvil_mine", `0x${(1 + this.#random(3)).toString(16)}`)];
    if (roll < 72) return ["reorganise", () => this.#reorganise()];
    if (roll < 86) return ["fail", () => this.#fail()];
    return ["restart", () => this.kill().then(() => this.#start())];
  }

  async #reorganise(): Promise<void> {
    const depth = 1 + this.#random(5);
    const forgets = this.#random(2) === 0;
    await this.#world.proxy.alone(async () => {
      await this.#world.rpc("anvil_reorg", depth, []);
      if (forgets) await this.#world.rpc("anvil_dropAllTransactions");
    });
  }

  /** The server misbehaves in one way for a few requests. */
  #fail(): void {
    const faults: Fault[] = [
      { kind: "cut" },
      { kind: "lose" },
      { kind: "status", status: 429, headers: { "retry-after": "0" } },
      { kind: "status", status: 503, body: "busy" },
      { kind: "delay", ms: 20 },
    ];
    const fault = faults[this.#random(faults.length)]!;
    let left = 1 + this.#random(12);
    this.#world.proxy.rules = [() => (left-- > 0 ? fault : undefined)];
  }

  /** Lets all come to rest: an honest server, a growing chain. */
  async finish(): Promise<void> {
    this.#world.proxy.rules = [];
    await this.kill();
    await this.#start();
    await until(
      async () => {
        await this.#world.rpc("evm_mine");
        return this.outcomes.size === this.intents;
      },
      `${this.intents} intents are over, ${this.outcomes.size} are`,
      10_000,
    );
    await this.#world.rpc("anvil_mine", "0x3");
    const head = (await this.#world.rpc("eth_getBlockByNumber", "latest", false)) as { hash: string };
    await until(() => this.#watched.watcher.newestBlock()?.hash === head.hash, "the watcher knows the head");
    await until(() => this.#watched.watcher.outage() === undefined, "the watcher is well");
    await this.#world.rpc("evm_mine");
    const last = (await this.#world.rpc("eth_getBlockByNumber", "latest", false)) as { number: string };
    await until(() => this.#watched.watcher.newestBlock()?.number === Number(last.number), "one block more");
    await new Promise((resolve) => setTimeout(resolve, 60));
    await this.kill();
  }
}

describe("the chain room under random crashes, faults and reorganisations", () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(startAnvil);
    // Anvil loses blocks for good when it mines a transaction by itself while it reorganises.
    await world.rpc("evm_setAutomine", false);
  }, 30_000);

  afterAll(() => world.stop());

  it.each(SEEDS)(
    "does every intent once and knows exactly what the chain holds (seed %d)",
    async (seed) => {
      world.proxy.reset();
      await world.rpc("anvil_mine", "0x10"); // reorganisations stay within the run
      const fromBlock = Number(await world.rpc("eth_blockNumber")) - 5;
      const run = new Run(world, seed, fromBlock);
      await run.begin();
      for (let i = 0; i < STEPS; i++) await run.step();
      await run.finish();

      for (const [, contents] of contentsByNonce(world.proxy.raws())) expect(contents.size).toBe(1);
      for (const outcome of run.outcomes.values()) expect(outcome).toMatchObject({ ok: true });
      const { deposit0 } = await world.escrow.channelState(run.id, "latest", { signal });
      let expected = 0n;
      for (let i = 0; i < run.intents; i++) expected += 10n ** BigInt(i % 12);
      expect(deposit0).toBe(expected);

      const head = Number(await world.rpc("eth_blockNumber"));
      const logs = await world.eth.logs(world.escrow.address, fromBlock, head, { signal });
      const truth = logs.filter(({ topics }) => topics[1] === run.id).map(logKey);
      const stage = new Map(run.notices.map((notice) => [notice.id, notice.stage]));
      const alive = [...stage].filter(([, last]) => last !== "removed");
      expect(new Set(alive.map(([id]) => id))).toEqual(new Set(truth));
      expect(alive.every(([, last]) => last === "confirmed")).toBe(true);
      for (const action of ["submit", "mine", "reorganise", "fail", "restart"])
        expect(run.counts[action]).toBeGreaterThan(0);
    },
    30_000,
  );
});

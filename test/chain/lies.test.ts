import { HDNodeWallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Eth } from "../../src/chain/eth.ts";
import { FailoverRpc } from "../../src/chain/failover.ts";
import type { Outcome } from "../../src/chain/intent.ts";
import type { Publisher } from "../../src/chain/publisher.ts";
import type { Address } from "../../src/protocol/address.ts";
import { startAnvil } from "../contracts/support/testChain.ts";
import { FaultProxy, on, type Rule } from "./support/faultProxy.ts";
import { random } from "./support/random.ts";
import {
  accountOf,
  contentsByNonce,
  openWorld,
  publisherFor,
  signal,
  TestStore,
  until,
  type World,
} from "./support/world.ts";

const STEPS = 50;
const SEEDS = (process.env.SEEDS ?? "1,2,3,4").split(",").map(Number);

const inflated = (by: number): Rule =>
  on("eth_getTransactionCount", () => ({
    kind: "edit",
    edit: (count: string) => `0x${(Number(count) + by).toString(16)}`,
  }));

const ahead = (by: number): Rule =>
  on("eth_getBlockByNumber", ([at]) =>
    at === "latest"
      ? {
          kind: "edit",
          edit: (block: { number: string }) => ({
            ...block,
            number: `0x${(Number(block.number) + by).toString(16)}`,
          }),
        }
      : undefined,
  );

const LIES: readonly ((by: number) => Rule[])[] = [
  (by) => [inflated(by)],
  (by) => [inflated(by), ahead(1 + (by % 3))],
  () => [on("eth_getTransactionCount", () => ({ kind: "answer", result: "0x0" }))],
  () => [on("eth_getTransactionReceipt", () => ({ kind: "answer", result: null }))],
  () => [() => ({ kind: "cut" })],
];

/** A publisher over three servers, one of which lies about its account, while it is killed and its chain reorganises. */
class Run {
  readonly outcomes = new Map<string, Outcome>();
  readonly #world: World;
  readonly #proxies: readonly FaultProxy[];
  readonly #random: (below: number) => number;
  readonly #liar: FaultProxy;
  readonly #store = new TestStore();
  readonly #account;
  readonly payee = HDNodeWallet.createRandom().address.toLowerCase() as Address;
  #publisher!: Publisher;
  #rpc!: FailoverRpc;
  #now = Date.now() / 1000;
  intents = 0;

  constructor(world: World, proxies: readonly FaultProxy[], seed: number) {
    this.#world = world;
    this.#proxies = proxies;
    this.#random = random(seed);
    this.#liar = proxies[seed % proxies.length]!;
    this.#account = accountOf(HDNodeWallet.createRandom(), world.crypto);
  }

  get account(): Address {
    return this.#account.address;
  }

  async begin(): Promise<void> {
    await this.#world.rpc("anvil_setBalance", this.account, "0xde0b6b3a7640000");
    await this.#world.rpc("anvil_mine", "0x10");
    await this.#start();
  }

  async #start(): Promise<void> {
    const urls = this.#proxies.map(({ url }) => url);
    const timing = { timeoutMs: 5_000, retries: 0, asideMinMs: 30, probeMs: 50 };
    this.#rpc = new FailoverRpc({ urls, chainId: 31337n, ...timing });
    this.#publisher = publisherFor(this.#world, this.#store, this.#account, {
      eth: new Eth(this.#rpc),
      confirmations: 2,
      pollMs: 8,
      now: () => this.#now,
    });
    await this.#publisher.start();
    for (let i = 0; i < this.intents; i++) this.#submit(i);
  }

  async kill(): Promise<void> {
    await this.#publisher.stop();
    this.#rpc.close();
  }

  #submit(i: number): void {
    const intent = { id: `p${i}`, to: this.payee, data: "0x", value: BigInt(i + 1) } as const;
    this.#publisher.submit(intent, { signal }).then(
      (outcome) => this.outcomes.set(intent.id, outcome),
      () => {}, // killed: submitted again after the restart
    );
  }

  async step(): Promise<void> {
    const roll = this.#random(100);
    if (roll < 25) this.#submit(this.intents++);
    else if (roll < 50) await this.#world.rpc("anvil_mine", `0x${1 + this.#random(3)}`);
    else if (roll < 58) await this.#reorganise();
    else if (roll < 72) this.#lie();
    else if (roll < 78) this.#liar.rules = [];
    else if (roll < 90) this.#pass(5 + this.#random(66));
    else await this.kill().then(() => this.#start());
    await new Promise((resolve) => setTimeout(resolve, this.#random(40)));
  }

  #pass(seconds: number): void {
    this.#now += seconds;
    this.#publisher.poke();
  }

  #lie(): void {
    this.#liar.rules = LIES[this.#random(LIES.length)]!([1, 5, 30, 70, 500][this.#random(5)]!);
  }

  async #reorganise(): Promise<void> {
    const done = Promise.withResolvers<void>();
    const [first, ...others] = this.#proxies;
    const waiting = others.map((proxy) => proxy.alone(() => done.promise));
    await first!.alone(async () => {
      await this.#world.rpc("anvil_reorg", 1 + this.#random(3), []);
      if (this.#random(2) === 0) await this.#world.rpc("anvil_dropAllTransactions");
    });
    done.resolve();
    await Promise.all(waiting);
  }

  /** The liar goes on lying; the chain grows, and time passes. */
  async finish(): Promise<void> {
    await this.kill();
    await this.#start(); // what a deep reorganisation took out of blocks is looked for when it starts
    await until(
      async () => {
        await this.#world.rpc("evm_mine");
        this.#pass(3);
        return this.outcomes.size === this.intents;
      },
      "all intents are over",
      20_000,
    );
    await this.kill();
  }
}

describe("the publisher over three servers of which one lies", () => {
  let world: World;
  let proxies: readonly FaultProxy[];

  beforeAll(async () => {
    world = await openWorld(startAnvil);
    const others = [1, 2].map(() => new FaultProxy(world.chain.url).start());
    proxies = [world.proxy, ...(await Promise.all(others))];
    await world.rpc("evm_setAutomine", false);
  }, 30_000);

  afterAll(async () => {
    for (const proxy of proxies.slice(1)) await proxy.stop();
    await world.stop();
  });

  it.each(SEEDS)(
    "does every intent once, and gives no nonce two things of worth (seed %d)",
    async (seed) => {
      for (const proxy of proxies) proxy.reset();
      await world.rpc("anvil_mine", "0x10"); // reorganisations stay within the run
      const run = new Run(world, proxies, seed);
      await run.begin();
      for (let i = 0; i < STEPS; i++) await run.step();
      await run.finish();
      for (const outcome of run.outcomes.values()) expect(outcome).toMatchObject({ ok: true });
      const paid = BigInt((run.intents * (run.intents + 1)) / 2);
      expect(await world.chain.provider.getBalance(run.payee)).toBe(paid);
      for (const [, contents] of contentsByNonce(proxies.flatMap((proxy) => proxy.raws()))) {
        const own = [...contents].filter((content) => content.toLowerCase() !== `${run.account} 0x 0`);
        expect(own.length).toBeLessThanOrEqual(1);
      }
    },
    60_000,
  );
});

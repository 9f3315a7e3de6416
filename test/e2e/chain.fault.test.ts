import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ChannelId } from "../../src/node/index.ts";
import { FaultProxy } from "../chain/support/faultProxy.ts";
import { Liar, paymentOf } from "../node/support/liar.ts";
import { CHALLENGE_PERIOD, openFunded, openWorld, type TestNode, type World } from "../node/support/world.ts";

const DEPOSIT = 10n ** 15n;
/** As the escrow numbers them. */
const STATUS = { open: 1n, closing: 2n, settled: 3n };

let world: World;
let proxy: FaultProxy;
let alice: TestNode;
let bob: TestNode;
/** What Alice's node did on chain. */
let done: string[];

beforeAll(async () => {
  world = await openWorld();
  proxy = await new FaultProxy(world.chain.provider._getConnection().url).start();
  // Blocks may go again: a deposit counts when a second one lies on it.
  alice = await world.node({ confirmations: 2, rpcUrl: proxy.url });
  bob = await world.node({ confirmations: 2 });
  done = [];
  listen();
  void mine();
}, 60_000);

// What a failed test left quiet must not fail the next one.
afterEach(noisy);

afterAll(async () => {
  over = true;
  await proxy?.stop();
  await world?.stop();
});

let over = false;
/** Blocks come by themselves; not while a test makes or takes them. */
let mining = true;

/** Somebody else's blocks, without which nothing is ever confirmed. */
async function mine(): Promise<void> {
  while (!over) {
    await sleep(300);
    if (mining) await send("evm_mine", []).catch(() => {});
  }
}

function listen(): void {
  alice.node.on("dispute", ({ action }) => done.push(action));
}

const send = (method: string, params: unknown[]) => world.chain.provider.send(method, params);

async function until(what: string, ready: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await ready()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`${what} did not come; warnings ${alice.warnings}, done ${done}`);
  }
}

async function statusOf(id: ChannelId): Promise<bigint> {
  return (await world.escrow.channelState(id)).status;
}

/** No block until a test makes one. */
async function quiet(): Promise<void> {
  mining = false;
  await send("evm_setAutomine", [false]);
}

async function noisy(): Promise<void> {
  await send("evm_setAutomine", [true]);
  mining = true;
}

/** Waits until the chain shows something and takes the newest blocks away, down to the one it is in, for empty ones. */
async function forget(seen: () => Promise<boolean>): Promise<void> {
  await until("what the reorganisation will remove", seen);
  await quiet();
  // Others' blocks may lie on it: one more each time, until it is gone.
  for (let depth = 1; depth <= 20 && (await seen()); depth++) await send("anvil_reorg", [depth, []]);
  expect(await seen()).toBe(false);
  await noisy();
}

/** The arguments of the escrow call that waits in the pool. */
async function pendingCall(name: string): Promise<Record<string, bigint>> {
  let found: Record<string, bigint> | undefined;
  await until(`a pending ${name}`, async () => {
    const { pending } = (await send("txpool_content", [])) as {
      pending: Record<string, Record<string, { input: string }>>;
    };
    for (const { input } of Object.values(pending).flatMap((byNonce) => Object.values(byNonce))) {
      const call = world.escrow.interface.parseTransaction({ data: input });
      if (call?.name === name) found = call.args.toObject() as Record<string, bigint>;
    }
    return found !== undefined;
  });
  return found!;
}

describe("a reorganisation", () => {
  it("that removes a deposit, a withdrawal and a cooperative close delays them and takes nothing", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    const before = await world.escrow.channelState(channelId);
    const depositing = alice.node.deposit(channelId, 500n);
    await forget(async () => {
      const now = await world.escrow.channelState(channelId);
      return now.deposit0 + now.deposit1 > before.deposit0 + before.deposit1;
    });
    await depositing;
    await until(
      "her own count",
      async () => (await alice.node.channel(channelId)).deposits[0] === DEPOSIT + 500n,
    );
    await alice.node.pay({ channelId, amount: DEPOSIT + 300n });

    const withdrawing = bob.node.withdraw(channelId, 200n);
    await forget(async () => {
      const now = await world.escrow.channelState(channelId);
      return now.withdrawn0 + now.withdrawn1 === 200n;
    });
    await withdrawing;
    expect((await bob.node.channel(channelId)).withdrawn[0]).toBe(200n);

    const closing = alice.node.close(channelId);
    await forget(async () => (await statusOf(channelId)) === STATUS.settled);
    expect((await closing).paidOut).toEqual([200n, 2n * DEPOSIT + 300n - 200n]);
    expect(await statusOf(channelId)).toBe(STATUS.settled);
  }, 170_000);

  it("after which the pool has lost a transaction has it sent again as soon as it is seen", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await quiet();
    const depositing = alice.node.deposit(channelId, 500n);
    await pendingCall("deposit");
    await send("anvil_dropAllTransactions", []);
    await send("evm_mine", []);
    const block = await world.chain.provider.getBlockNumber();
    await until("the block", () => alice.node.chainStatus().block === block);
    const began = Date.now();
    await send("anvil_reorg", [1, []]);
    await pendingCall("deposit");
    // A forgotten transaction is handed in again anyway, but only after ten seconds.
    expect(Date.now() - began).toBeLessThan(5_000);
    await noisy();
    await depositing;
  }, 60_000);

  it("that removes a challenge is answered with the same challenge again", async () => {
    const liar = await Liar.open(world, alice, DEPOSIT);
    liar.pay(liar.sign(paymentOf(400n)));
    await liar.told("ack");
    await liar.startClose();
    const nonceOf = async () => (await world.escrow.recordedProof(liar.channelId, liar.account)).nonce;
    await forget(async () => (await nonceOf()) === 1n);
    await until("the challenge again", async () => (await nonceOf()) === 1n);
    await world.pass(CHALLENGE_PERIOD + 10);
    await until(
      "the settlement",
      async () => (await alice.node.channel(liar.channelId)).paidOut !== undefined,
    );
    expect((await alice.node.channel(liar.channelId)).paidOut).toEqual([DEPOSIT + 400n, DEPOSIT - 400n]);
    await liar.stop();
  }, 120_000);

  it("that removes the start of a close leaves the channel closing, by Alice's own hand", async () => {
    const liar = await Liar.open(world, alice, DEPOSIT);
    liar.pay(liar.sign(paymentOf(400n)));
    await liar.told("ack");
    await liar.startClose();
    await until("Alice's view", async () => (await alice.node.channel(liar.channelId)).phase === "closing");
    await forget(async () => (await statusOf(liar.channelId)) === STATUS.closing);
    await until("a word of it", () => alice.warnings.includes("reorganisation"));
    await until("a close again", async () => (await statusOf(liar.channelId)) === STATUS.closing);
    await expect(alice.node.pay({ channelId: liar.channelId, amount: 1n })).rejects.toThrow();
    await world.pass(CHALLENGE_PERIOD + 10);
    await until(
      "the settlement",
      async () => (await alice.node.channel(liar.channelId)).paidOut !== undefined,
    );
    expect((await alice.node.channel(liar.channelId)).paidOut).toEqual([DEPOSIT + 400n, DEPOSIT - 400n]);
    await liar.stop();
  }, 60_000);
});

describe("the last valid block", () => {
  it("may hold a withdrawal and a cooperative close", async () => {
    const { channelId } = await openFunded(alice, bob, DEPOSIT);
    await alice.node.pay({ channelId, amount: 70n });
    await quiet();
    const withdrawing = bob.node.withdraw(channelId, 30n);
    const withdrawal = await pendingCall("withdraw");
    await world.chain.mineAt(Number(withdrawal.deadline));
    await noisy();
    await withdrawing;
    await until("Alice's count", async () => (await alice.node.channel(channelId)).withdrawn[1] === 30n);
    await quiet();
    const closing = alice.node.close(channelId);
    const close = await pendingCall("closeCooperatively");
    await world.chain.mineAt(Number(close.deadline));
    await noisy();
    expect((await closing).paidOut).toEqual([DEPOSIT - 70n, DEPOSIT + 40n]);
  }, 60_000);
});

describe("a peer that closes without what it has paid", () => {
  /** A liar that has paid 400 and starts a close as if it had not. */
  async function cheat(): Promise<Liar> {
    const liar = await Liar.open(world, alice, DEPOSIT);
    liar.pay(liar.sign(paymentOf(400n)));
    await liar.told("ack");
    return liar;
  }

  async function expectDue(liar: Liar): Promise<void> {
    await world.pass(CHALLENGE_PERIOD + 10);
    await until(
      "the settlement",
      async () => (await alice.node.channel(liar.channelId)).paidOut !== undefined,
    );
    expect((await alice.node.channel(liar.channelId)).paidOut).toEqual([DEPOSIT + 400n, DEPOSIT - 400n]);
    await liar.stop();
  }

  it("while Alice is down for most of the challenge period gains nothing", async () => {
    const liar = await cheat();
    await alice.node.stop();
    await liar.startClose();
    await world.pass(CHALLENGE_PERIOD - 60);
    await alice.restart();
    listen();
    await until("the challenge", async () => {
      return (await world.escrow.recordedProof(liar.channelId, liar.account)).nonce === 1n;
    });
    await expectDue(liar);
  }, 60_000);

  it("while Alice's server does not answer gains nothing, and she is told of the outage", async () => {
    const liar = await cheat();
    alice.warnings.length = 0;
    proxy.rules = [() => ({ kind: "cut" })];
    await liar.startClose();
    await until("a warning", () => alice.warnings.length > 0);
    await sleep(2_000);
    expect((await world.escrow.recordedProof(liar.channelId, liar.account)).nonce).toBe(0n);
    proxy.reset();
    await until("the challenge", async () => {
      return (await world.escrow.recordedProof(liar.channelId, liar.account)).nonce === 1n;
    });
    await expectDue(liar);
  }, 60_000);

  it("while gas costs a hundred times as much gains nothing", async () => {
    const liar = await cheat();
    const { baseFeePerGas } = (await world.chain.provider.getBlock("latest"))!;
    const dear = `0x${(baseFeePerGas! * 100n + 10n ** 11n).toString(16)}`;
    await liar.startClose();
    // Its price is chosen by now; then every block asks for more than that.
    const spike = setInterval(
      () => void send("anvil_setNextBlockBaseFeePerGas", [dear]).catch(() => {}),
      100,
    );
    await send("anvil_setNextBlockBaseFeePerGas", [dear]);
    try {
      await until("the challenge", async () => {
        return (await world.escrow.recordedProof(liar.channelId, liar.account)).nonce === 1n;
      });
    } finally {
      clearInterval(spike);
    }
    await expectDue(liar);
  }, 60_000);
});
